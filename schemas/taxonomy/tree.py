"""The category tree in memory: immutable, stored in arrays, addressed by node index."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Final

import numpy as np

from schemas.errors import InvalidTaxonomy
from schemas.taxonomy import arrays, stored
from schemas.taxonomy.node import (
    PATH_SEPARATOR,
    CategoryNode,
    clean_name,
    content_version,
    fault_of_id,
    fault_of_path,
    fold_path,
    path_id,
    split_path,
)

__all__ = ["CategoryNode", "Taxonomy"]


class Taxonomy:
    """An immutable tree (or forest) of categories. A node's index is its position in ``nodes``.

    ``aliases`` maps further ids to the id of the node that they stand for, because some files give a category two
    ids. Raises :class:`InvalidTaxonomy` if there are no nodes or too many, an id or a path is repeated or out of
    bounds, a node's parent is missing, or no node is listed. A parent may come after its child.

    Attributes, all read-only, where n is the number of nodes:

    - ``ids``, ``paths``, ``names`` (last part of the path): tuples of n
    - ``parents``: int32 (n,), index of the parent, -1 for a root
    - ``depths``: int8 (n,), 1 for a root
    - ``is_leaf``: bool (n,)
    - ``is_listed``: bool (n,), whether the node was named itself, not just created as a missing parent of others.
      Products are assigned to listed nodes only; they may be backed off to any node
    - ``roots``: tuple of indices
    - ``ancestor_matrix``: int32 (n, max_depth); column d holds the index of the ancestor at depth d + 1, including
      the node itself, and -1 below the node's own depth
    """

    def __init__(
        self,
        name: str,
        version: str,
        nodes: Sequence[CategoryNode],
        *,
        aliases: Mapping[str, str] | None = None,
    ) -> None:
        arrays.check_size(name, version, len(nodes))
        self.name: Final = name
        self.version: Final = version
        self.ids: Final = tuple(node.id for node in nodes)
        self.paths: Final = tuple(tuple(node.path) for node in nodes)
        self.names: Final = tuple(arrays.last_name(path) for path in self.paths)
        self._by_path: Final = arrays.index_paths(self.paths)
        self._by_id: Final = arrays.index_ids(self.ids)
        self.aliases: Final[Mapping[str, str]] = MappingProxyType(dict(aliases or {}))
        self._add_aliases()
        self._by_folded_path: Final = arrays.index_folded(self.paths)
        self.parents: Final = arrays.frozen(arrays.parents(self.paths, self._by_path))
        self.depths: Final = arrays.frozen(np.fromiter(map(len, self.paths), np.int8, len(nodes)))
        self.ancestor_matrix: Final = arrays.frozen(arrays.ancestor_matrix(self.parents, self.depths))
        self.roots: Final[tuple[int, ...]] = tuple(np.flatnonzero(self.parents < 0).tolist())
        self.is_leaf: Final = arrays.frozen(~np.isin(np.arange(len(nodes)), self.parents))
        self.is_listed: Final = arrays.frozen(arrays.listed(name, nodes))

    @classmethod
    def from_paths(cls, name: str, version: str | None, paths: Iterable[Sequence[str] | str]) -> Taxonomy:
        """Make a tree from these paths, each with the root first.

        Missing ancestors are created before their child and are not listed. Whitespace in names is cleaned, and a
        repeated path counts once. A node's id is :func:`schemas.taxonomy.node.path_id` of its path, so it is the
        same in every tree, run and version of Python. If ``version`` is ``None``, it is the content's digest.
        Raises :class:`InvalidTaxonomy`.
        """
        listed: dict[tuple[str, ...], bool] = {}
        for path in paths:
            cleaned = _as_path(path)
            for depth in range(1, len(cleaned)):
                listed.setdefault(cleaned[:depth], False)
            listed[cleaned] = True
        nodes = [CategoryNode(path_id(path), path, is_listed) for path, is_listed in listed.items()]
        return cls(name, version or content_version(nodes), nodes)

    def with_listed(self, indices: Iterable[int]) -> Taxonomy:
        """Return the tree, with the same name and version, in which the nodes at these indices are listed too."""
        listed = self.is_listed.copy()
        listed[list(indices)] = True
        if np.array_equal(listed, self.is_listed):
            return self
        nodes = [CategoryNode(*node) for node in zip(self.ids, self.paths, listed.tolist(), strict=True)]
        return Taxonomy(self.name, self.version, nodes, aliases=self.aliases)

    def __len__(self) -> int:
        return len(self.ids)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Taxonomy):
            return NotImplemented
        same_lists = np.array_equal(self.is_listed, other.is_listed)
        return self._key() == other._key() and same_lists and self.aliases == other.aliases

    def __hash__(self) -> int:
        return hash((self.name, self.version, len(self)))

    def __reduce__(self) -> tuple[object, tuple[bytes]]:
        return Taxonomy.from_json_bytes, (self.to_json_bytes(),)

    def __repr__(self) -> str:
        return f"Taxonomy(name={self.name!r}, version={self.version!r}, {len(self):,} nodes)"

    def _key(self) -> tuple[object, ...]:
        return self.name, self.version, self.ids, self.paths

    def _add_aliases(self) -> None:
        for alias, node_id in self.aliases.items():
            if fault := fault_of_id(alias):
                raise InvalidTaxonomy(f"{fault}; correct it")
            if alias in self._by_id or node_id not in self._by_id:
                raise InvalidTaxonomy(f"alias {alias!r} of {node_id!r} is taken, or names no category")
        self._by_id.update({alias: self._by_id[node_id] for alias, node_id in self.aliases.items()})

    def find_id(self, node_id: str) -> int | None:
        """Return the index of the node with this id or alias, or ``None``."""
        return self._by_id.get(node_id)

    def index_of_id(self, node_id: str) -> int:
        """Return the index of the node with this id or alias; raise :class:`KeyError` if there is none."""
        if (index := self.find_id(node_id)) is None:
            raise KeyError(f"no category has the id {node_id!r} in taxonomy {self.name} {self.version}")
        return index

    def find_path(self, path: Sequence[str] | str) -> int | None:
        """Return the index of the node at this path (names root first, or ``"A > B"``), or ``None``.

        If no path is exactly equal, the first node, in file order, whose path differs only in case, width or
        whitespace is returned.
        """
        exact = split_path(path) if isinstance(path, str) else tuple(path)
        index = self._by_path.get(exact)
        return self._by_folded_path.get(fold_path(exact)) if index is None else index

    def index_of_path(self, path: Sequence[str] | str) -> int:
        """Return the index like :meth:`find_path`; raise :class:`KeyError` if there is none."""
        if (index := self.find_path(path)) is None:
            text = path if isinstance(path, str) else PATH_SEPARATOR.join(path)
            raise KeyError(f"no category has the path {text!r} in taxonomy {self.name} {self.version}")
        return index

    def ancestors(self, index: int) -> tuple[int, ...]:
        """Return the indices from the root to the node, including the node."""
        self._check_index(index)
        return tuple(self.ancestor_matrix[index, : self.depths[index]].tolist())

    def path_text(self, index: int) -> str:
        """Return the node's path as ``"A > B > C"``."""
        self._check_index(index)
        return PATH_SEPARATOR.join(self.paths[index])

    def _check_index(self, index: int) -> None:
        # numpy would treat -1, which means "no category" in the arrays, as the last node.
        if not 0 <= index < len(self):
            raise IndexError(f"node index {index} is out of range: the taxonomy has {len(self):,} nodes")

    def to_json_bytes(self) -> bytes:
        """Return the tree as JSON, for a model bundle."""
        return stored.encode(
            stored.Stored(
                name=self.name,
                version=self.version,
                ids=list(self.ids),
                names=list(self.names),
                parents=self.parents.tolist(),
                unlisted=np.flatnonzero(~self.is_listed).tolist(),
                aliases=dict(self.aliases),
            )
        )

    @classmethod
    def from_json_bytes(cls, data: bytes) -> Taxonomy:
        """Read what :meth:`to_json_bytes` wrote. Raises :class:`InvalidTaxonomy` for anything else."""
        read = stored.decode(data)
        listed = np.ones(len(read.ids), np.bool_)
        listed[read.unlisted] = False
        columns = zip(read.ids, stored.resolve_paths(read), listed.tolist(), strict=True)
        nodes = [CategoryNode(*node) for node in columns]
        return cls(read.name, read.version, nodes, aliases=read.aliases)


def _as_path(path: Sequence[str] | str) -> tuple[str, ...]:
    cleaned = split_path(path) if isinstance(path, str) else tuple(clean_name(name) for name in path)
    if fault := fault_of_path(cleaned):
        raise InvalidTaxonomy(f"path {PATH_SEPARATOR.join(cleaned)[:200]!r}: {fault}; correct it")
    return cleaned
