"""The categories of the sample catalogue and their words, from ``catalogue.json``."""

from __future__ import annotations

import csv
import itertools
from collections.abc import Iterator
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Final

import msgspec
import orjson

from schemas.taxonomy import Taxonomy

_VERSION: Final = "1"


class _LeafWords(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    name: str
    nouns: tuple[str, ...]
    vague_nouns: tuple[str, ...]
    features: tuple[str, ...]
    price: tuple[float, float]


class _Subgroup(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    name: str
    leaves: tuple[_LeafWords, ...]


class _Group(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    name: str
    materials: tuple[str, ...]
    sizes: tuple[str, ...]
    subgroups: tuple[_Subgroup, ...]


class _Department(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    name: str
    groups: tuple[_Group, ...]


class _Catalogue(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    departments: tuple[_Department, ...]


class Leaf(msgspec.Struct, frozen=True):
    """A category that contains products.

    ``position`` counts leaves from 0. ``nouns`` name its products; so do ``vague_nouns``, which may also mean
    products of other categories. ``price`` is its lowest and highest price, in euros.
    """

    position: int
    path: tuple[str, ...]
    nouns: tuple[str, ...]
    vague_nouns: tuple[str, ...]
    features: tuple[str, ...]
    price: tuple[float, float]
    materials: tuple[str, ...]
    sizes: tuple[str, ...]


@cache
def sample_leaves() -> tuple[Leaf, ...]:
    """Return all leaves, in the order of the file."""
    return tuple(_read_leaves())


@cache
def sample_taxonomy() -> Taxonomy:
    """Return the tree of the sample catalogue: departments, groups, subgroups, leaves."""
    return Taxonomy.from_paths("sample", _VERSION, [leaf.path for leaf in sample_leaves()])


def write_taxonomy(path: Path) -> None:
    """Write the tree as CSV with the columns ``id`` and ``path``, for :func:`schemas.taxonomy.read_taxonomy`."""
    tree = sample_taxonomy()
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["id", "path"])
        writer.writerows((node_id, tree.path_text(index)) for index, node_id in enumerate(tree.ids))


def _read_leaves() -> Iterator[Leaf]:
    data = resources.files(__package__).joinpath("catalogue.json").read_bytes()
    position = itertools.count()
    for department in msgspec.convert(orjson.loads(data), _Catalogue).departments:
        for group in department.groups:
            for subgroup in group.subgroups:
                for words in subgroup.leaves:
                    yield Leaf(
                        position=next(position),
                        path=(department.name, group.name, subgroup.name, words.name),
                        nouns=words.nouns,
                        vague_nouns=words.vague_nouns,
                        features=words.features,
                        price=words.price,
                        materials=group.materials,
                        sizes=group.sizes,
                    )
