"""The tree as JSON in a model bundle: three columns, with parents and unlisted nodes given by index."""

from __future__ import annotations

from typing import Annotated, Final, Literal

import msgspec
import orjson

from schemas.errors import InvalidTaxonomy
from schemas.taxonomy.node import MAX_DEPTH, MAX_ID_LENGTH, MAX_NAME_LENGTH, MAX_NODES

MAX_STORED_BYTES: Final = 256 * 1024 * 1024

_Id = Annotated[str, msgspec.Meta(max_length=MAX_ID_LENGTH)]
_Name = Annotated[str, msgspec.Meta(max_length=MAX_NAME_LENGTH)]
_Column = msgspec.Meta(max_length=MAX_NODES)
_Index = Annotated[int, msgspec.Meta(ge=0, lt=MAX_NODES)]


class Stored(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """What is stored. The three columns have one entry per node; ``parents`` has -1 for a root.

    ``unlisted`` are the indices of the nodes that are not listed.
    """

    format: Literal["shelfwise.taxonomy.v1"] = "shelfwise.taxonomy.v1"
    name: Annotated[str, msgspec.Meta(max_length=1_000)]
    version: Annotated[str, msgspec.Meta(max_length=1_000)]
    ids: Annotated[list[_Id], _Column]
    names: Annotated[list[_Name], _Column]
    parents: Annotated[list[Annotated[int, msgspec.Meta(ge=-1, lt=MAX_NODES)]], _Column]
    unlisted: Annotated[list[_Index], _Column] = []
    aliases: Annotated[dict[_Id, _Id], _Column] = {}


def encode(stored: Stored) -> bytes:
    """Return the stored form as JSON."""
    return orjson.dumps(msgspec.to_builtins(stored))


def decode(data: bytes) -> Stored:
    """Read the JSON and check it, including that the columns have one length. Raises :class:`InvalidTaxonomy`."""
    if len(data) > MAX_STORED_BYTES:
        raise InvalidTaxonomy(f"a stored taxonomy of {len(data):,} bytes; it may have {MAX_STORED_BYTES:,}")
    try:
        stored = msgspec.convert(orjson.loads(data), Stored)
    except (orjson.JSONDecodeError, msgspec.ValidationError) as error:
        raise InvalidTaxonomy(f"not a stored taxonomy: {error}; make the bundle again") from None
    if not len(stored.ids) == len(stored.names) == len(stored.parents):
        lengths = f"{len(stored.ids)}, {len(stored.names)} and {len(stored.parents)}"
        raise InvalidTaxonomy(f"ids, names and parents have {lengths} entries; make the bundle again")
    if stored.unlisted and max(stored.unlisted) >= len(stored.ids):
        last = max(stored.unlisted)
        raise InvalidTaxonomy(f"node {last} is marked as unlisted but does not exist; make the bundle again")
    return stored


def resolve_paths(stored: Stored) -> list[tuple[str, ...]]:
    """Return each node's path. Raises :class:`InvalidTaxonomy` if there is a cycle or a parent is out of range."""
    paths: list[tuple[str, ...] | None] = [None] * len(stored.ids)
    return [_resolve(stored, paths, index) for index in range(len(paths))]


def _resolve(stored: Stored, paths: list[tuple[str, ...] | None], start: int) -> tuple[str, ...]:
    pending: list[int] = []
    index = start
    while index >= 0 and paths[index] is None:
        pending.append(index)
        # The limit on depth also ends the walk around a cycle.
        if len(pending) > MAX_DEPTH:
            raise InvalidTaxonomy(
                f"node {start} has over {MAX_DEPTH} levels, or is its own ancestor; make the bundle again"
            )
        index = stored.parents[index]
        if index >= len(paths):
            raise InvalidTaxonomy(f"node {pending[-1]} names parent {index}, which is not there")
    path = () if index < 0 else (paths[index] or ())
    if len(path) + len(pending) > MAX_DEPTH:
        raise InvalidTaxonomy(f"node {start} is deeper than {MAX_DEPTH} levels; make the bundle again")
    for node in reversed(pending):
        path = (*path, stored.names[node])
        paths[node] = path
    return path
