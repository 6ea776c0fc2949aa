"""The arrays and indices of a tree, computed and checked once when the tree is made."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from schemas.errors import InvalidTaxonomy
from schemas.taxonomy.node import MAX_NODES, PATH_SEPARATOR, CategoryNode, fault_of_id, fault_of_path, fold_path

_Scalar = TypeVar("_Scalar", bound=np.generic)


def last_name(path: tuple[str, ...]) -> str:
    """Return the category's own name. Raises :class:`InvalidTaxonomy` if its path is out of bounds."""
    if fault := fault_of_path(path):
        raise InvalidTaxonomy(f"category {PATH_SEPARATOR.join(path)[:200]!r}: {fault}; correct it")
    return path[-1]


def check_size(name: str, version: str, count: int) -> None:
    """Raise :class:`InvalidTaxonomy` if there is no name, no version, no node, or too many nodes."""
    if not name.strip() or not version.strip():
        raise InvalidTaxonomy(f"a taxonomy needs a name and a version; got {name!r} and {version!r}")
    if count == 0:
        raise InvalidTaxonomy(f"taxonomy {name} has no categories; give it at least one")
    if count > MAX_NODES:
        raise InvalidTaxonomy(f"taxonomy {name} has {count:,} categories; it may have {MAX_NODES:,}")


def index_paths(paths: tuple[tuple[str, ...], ...]) -> dict[tuple[str, ...], int]:
    """Return a map from path to position. Raises :class:`InvalidTaxonomy` if a path is repeated."""
    index: dict[tuple[str, ...], int] = {}
    for position, path in enumerate(paths):
        if index.setdefault(path, position) != position:
            text = PATH_SEPARATOR.join(path)
            raise InvalidTaxonomy(f"nodes {index[path]} and {position} have the same path {text!r}; keep one")
    return index


def index_ids(ids: tuple[str, ...]) -> dict[str, int]:
    """Return a map from id to position. Raises :class:`InvalidTaxonomy` if an id is repeated or out of bounds."""
    index: dict[str, int] = {}
    for position, node_id in enumerate(ids):
        if fault := fault_of_id(node_id):
            raise InvalidTaxonomy(f"node {position}: {fault}; correct it")
        if index.setdefault(node_id, position) != position:
            raise InvalidTaxonomy(
                f"nodes {index[node_id]} and {position} have the same id {node_id!r}; ids must be unique"
            )
    return index


def index_folded(paths: tuple[tuple[str, ...], ...]) -> dict[tuple[str, ...], int]:
    """Return a map from folded path to the position of the first node that has it."""
    index: dict[tuple[str, ...], int] = {}
    for position, path in enumerate(paths):
        index.setdefault(fold_path(path), position)
    return index


def parents(paths: tuple[tuple[str, ...], ...], by_path: Mapping[tuple[str, ...], int]) -> NDArray[np.int32]:
    """Return the position of each node's parent, int32 (n,), -1 for a root; raise if a parent is missing."""
    result = np.full(len(paths), -1, np.int32)
    for position, path in enumerate(paths):
        if len(path) == 1:
            continue
        parent = by_path.get(path[:-1])
        if parent is None:
            text, above = PATH_SEPARATOR.join(path), PATH_SEPARATOR.join(path[:-1])
            raise InvalidTaxonomy(f"category {text!r} has no parent {above!r} in the tree; add it")
        result[position] = parent
    return result


def listed(name: str, nodes: Sequence[CategoryNode]) -> NDArray[np.bool_]:
    """Return which nodes are listed, bool (n,); raise if none is."""
    found = np.fromiter((node.is_listed for node in nodes), np.bool_, len(nodes))
    if not found.any():
        raise InvalidTaxonomy(f"taxonomy {name} lists no category to assign products to; list at least one")
    return found


def ancestor_matrix(parents: NDArray[np.int32], depths: NDArray[np.int8]) -> NDArray[np.int32]:
    """Return each node's ancestors by depth, including itself, then -1: int32 (n, max_depth)."""
    matrix = np.full((len(parents), int(depths.max())), -1, np.int32)
    current = np.arange(len(parents), dtype=np.int32)
    while (rows := np.flatnonzero(current >= 0)).size:
        matrix[rows, depths[current[rows]] - 1] = current[rows]
        current[rows] = parents[current[rows]]
    return matrix


def frozen(array: NDArray[_Scalar]) -> NDArray[_Scalar]:
    """Return the same array, now read-only."""
    array.setflags(write=False)
    return array
