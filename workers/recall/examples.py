"""Labelled products as examples: find those near a product, and those that share its brand or shops."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self

import numpy as np
import orjson
from numpy.typing import NDArray
from safetensors.numpy import load_file, save_file

from schemas.events.product import Product
from workers.arrays.eight_bits import EightBits
from workers.arrays.inverted_lists import LEAST_VECTORS, InvertedLists
from workers.arrays.nearest import nearest
from workers.arrays.stored import require, require_below, require_offsets
from workers.recall.batch import Batch
from workers.statistics import normalise_key

NEIGHBOURS: Final = 48
_ARRAYS: Final = "examples.safetensors"
_KEYS: Final = "examples.json"


@dataclass(frozen=True, slots=True)
class Neighbours:
    """The k examples nearest to each of n products, nearest first.

    ``cosines`` is float32 (n, k). ``labels``, int32 (n, k), are the categories of the examples. ``known``, bool
    (n,), says which products have a vector; the rows of the others are meaningless.
    """

    cosines: NDArray[np.float32]
    labels: NDArray[np.int32]
    known: NDArray[np.bool_]


class Examples:
    """m labelled products that have a vector."""

    def __init__(
        self,
        vectors: NDArray[np.float32],
        labels: NDArray[np.int32],
        groups: dict[str, NDArray[np.int32]],
        index: InvertedLists | EightBits,
    ) -> None:
        """``vectors`` is float32 (m, d), ``labels`` int32 (m,), ``index`` an index of ``vectors``.

        ``groups`` maps each brand and shop to the rows of its products, int32.
        """
        self.vectors = vectors
        self.labels = labels
        self.groups = groups
        self._index = index

    @classmethod
    def of(cls, products: Sequence[Product], vectors: NDArray[np.float32], labels: NDArray[np.int32]) -> Self:
        """Build the examples from the products that have a vector."""
        known = np.flatnonzero(np.any(vectors, axis=1))
        groups: defaultdict[str, list[int]] = defaultdict(list)
        for row, index in enumerate(known.tolist()):
            for key in group_keys(products[index]):
                groups[key].append(row)
        kept = np.ascontiguousarray(vectors[known])
        rows_of = {key: np.array(rows, np.int32) for key, rows in groups.items()}
        return cls(kept, labels[known], rows_of, _index_of(kept))

    def __len__(self) -> int:
        return len(self.labels)

    def nearest(self, batch: Batch) -> Neighbours:
        """Return the neighbours of a batch's products; searched once per batch and then cached."""
        return batch.once(self, lambda: self._search(batch.branded))

    def _search(self, queries: NDArray[np.float32]) -> Neighbours:
        known = np.any(queries, axis=1)
        count = min(NEIGHBOURS, len(self))
        cosines = np.zeros((len(queries), count), np.float32)
        rows = np.zeros((len(queries), count), np.int64)
        if count and known.any():
            cosines[known], rows[known] = nearest(self.vectors, queries[known], count, self._index)
        return Neighbours(cosines, self.labels[rows] if count else rows.astype(np.int32), known)

    def save(self, directory: Path) -> None:
        """Write ``examples.safetensors`` and ``examples.json``."""
        keys = sorted(self.groups)
        rows = [self.groups[key] for key in keys]
        arrays: dict[str, NDArray[Any]] = {
            "vectors": self.vectors,
            "labels": self.labels,
            "offsets": np.concatenate([[0], np.cumsum([len(group) for group in rows])]).astype(np.int64),
            "rows": np.concatenate(rows) if rows else np.empty(0, np.int32),
        }
        if isinstance(self._index, InvertedLists):
            arrays |= {"centroids": self._index.centroids, "lists": self._index.lists}
        save_file(arrays, directory / _ARRAYS)
        (directory / _KEYS).write_bytes(orjson.dumps(keys))

    @classmethod
    def load(cls, directory: Path, nodes: int) -> Self:
        """Read what :meth:`save` wrote; raises :class:`ValueError` if it does not fit a tree of that size."""
        arrays = load_file(directory / _ARRAYS)
        keys = orjson.loads((directory / _KEYS).read_bytes())
        vectors = arrays["vectors"]
        index: InvertedLists | EightBits
        if "lists" in arrays:
            index = InvertedLists(vectors, arrays["centroids"], arrays["lists"])
        else:  # InvertedLists checks the vectors itself; there may be many, so they are not checked twice
            require(f"{_ARRAYS}: vectors", vectors, np.float32, None, None)
            index = EightBits(vectors)
        require(f"{_ARRAYS}: labels", arrays["labels"], np.int32, len(vectors))
        require_below(f"{_ARRAYS}: labels", arrays["labels"], nodes)
        require(f"{_ARRAYS}: rows", arrays["rows"], np.int32, None)
        require_below(f"{_ARRAYS}: rows", arrays["rows"], len(vectors))
        require_offsets(f"{_ARRAYS}: offsets", arrays["offsets"], len(keys), len(arrays["rows"]))
        groups = np.split(arrays["rows"], arrays["offsets"][1:-1])
        return cls(vectors, arrays["labels"], dict(zip(keys, groups, strict=bool(keys))), index)


def _index_of(vectors: NDArray[np.float32]) -> InvertedLists | EightBits:
    return InvertedLists.of(vectors) if len(vectors) >= LEAST_VECTORS else EightBits(vectors)


def group_keys(product: Product) -> list[str]:
    """Return the keys of a product's brand and shops, each prefixed with its kind."""
    brand = normalise_key(product.brand)
    stores = (key for store in product.stores if (key := normalise_key(store)))
    return [*([] if brand is None else [f"brand {brand}"]), *(f"store {store}" for store in dict.fromkeys(stores))]
