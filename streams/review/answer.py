"""What a reviewer types, understood."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np

from schemas.taxonomy.tree import Taxonomy
from workers.text.tokens import words

SHOWN: Final = 9
_DIGITS: Final = 2


@dataclass(frozen=True, slots=True)
class Chosen:
    """A node of the tree, or ``None`` where the product belongs nowhere in it."""

    node: int | None


@dataclass(frozen=True, slots=True)
class Found:
    """Nodes that a search found, the first of ``total``."""

    nodes: tuple[int, ...]
    total: int


Pass = Literal["skip", "quit"]


def understand(text: str, offered: Sequence[int | None], taxonomy: Taxonomy) -> Chosen | Found | Pass:
    """Return what is meant: a number of ``offered`` nodes, counted from 1, a path, an id, or words to search for.

    Nothing and ``s`` skip, ``q`` quits, ``n`` is nowhere. A search is for categories whose path has all words. An
    offered node is ``None`` where the tree does not have it. A number of up to two digits is never an id.
    """
    text = text.strip()
    if text.casefold() in ("", "s", "skip"):
        return "skip"
    if text.casefold() in ("q", "quit"):
        return "quit"
    if text.casefold() in ("n", "nowhere"):
        return Chosen(None)
    # Ids may be numbers too: what is mistyped must not be taken for one.
    if text.isdecimal() and len(text) <= _DIGITS:
        node = offered[int(text) - 1] if 1 <= int(text) <= len(offered) else None
        return Found((), 0) if node is None else Chosen(node)
    if (node := find_category(text, taxonomy)) is not None:
        return Chosen(node)
    return _search(text, taxonomy)


def find_category(text: str, taxonomy: Taxonomy) -> int | None:
    """Return the node of an id or a path such as ``Home > Lamps``, ``None`` where the tree does not list it."""
    node = taxonomy.find_id(text)
    if node is None:
        node = taxonomy.find_path(text)
    return node if node is not None and taxonomy.is_listed[node] else None


def _search(text: str, taxonomy: Taxonomy) -> Found:
    wanted = set(words(text))
    nodes = [
        node
        for node in np.flatnonzero(taxonomy.is_listed).tolist()
        if wanted and wanted.issubset(words(" ".join(taxonomy.paths[node])))
    ]
    # The shortest paths first: "lamps" means the lamps more than one kind of them.
    nodes.sort(key=lambda node: (len(taxonomy.paths[node]), taxonomy.paths[node]))
    return Found(tuple(nodes[:SHOWN]), len(nodes))
