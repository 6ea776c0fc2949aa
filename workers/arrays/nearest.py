"""Nearest neighbours by cosine; the result for a query is the same, bit for bit, in every batch."""

from __future__ import annotations

from typing import Any, Final, Protocol

import faiss
import numpy as np
from numpy.typing import NDArray

# An index is approximate, so it is asked for more rows than wanted, which are then sorted by exact cosines. Those
# are computed pair by pair: the rounding of a matrix product depends on its shape, by which BLAS picks a kernel.
_SPARE_SHARE: Final = 4
_LEAST_SPARE: Final = 8
# For this many queries, the products with 5,000 vectors, or 60 vectors for each query, fit into a CPU cache.
_QUERIES_AT_ONCE: Final = 64

# FAISS uses matrix products from this many queries on; its default of 20 makes small batches ten times slower.
faiss.cvar.distance_compute_blas_threshold = 2
# With two threads, the slowest of a thousand searches takes a hundred times longer. This affects only the thread
# that imports this module: OpenMP keeps the number of threads per thread.
faiss.omp_set_num_threads(1)


class Index(Protocol):
    """A nearest-neighbour index of the vectors it was made from; it may be approximate."""

    def search(self, queries: NDArray[np.float32], count: int, /) -> NDArray[np.int64]:
        """Return the rows of approximately the nearest vectors: int64 (n, count), both at least 1."""


def flat_index(vectors: NDArray[np.float32]) -> Any:
    """Return an exact inner-product index (FAISS) of float32 vectors (n, d)."""
    index = faiss.IndexFlatIP(vectors.shape[1])
    index.add(np.ascontiguousarray(vectors))
    return index


def nearest(
    vectors: NDArray[np.float32], queries: NDArray[np.float32], count: int, index: Index
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Return the cosines, float32 (n, k), and rows, int64 (n, k), of the nearest ``vectors``, nearest first.

    ``vectors``, float32 (m, d), and ``queries``, float32 (n, d), have an L2 norm of at most 1. k is the smaller of
    ``count`` and m. Among equally near vectors, the first row comes first. ``index`` is an index of ``vectors``.
    """
    count = min(count, len(vectors))
    if not count:
        return np.empty((len(queries), 0), np.float32), np.empty((len(queries), 0), np.int64)
    looked_at = min(count + max(_LEAST_SPARE, count // _SPARE_SHARE), len(vectors))
    found = [
        _ordered(vectors, part, index.search(part, looked_at), count)
        for part in (
            np.ascontiguousarray(queries[at : at + _QUERIES_AT_ONCE])
            for at in range(0, len(queries), _QUERIES_AT_ONCE)
        )
    ]
    cosines = [np.empty((0, count), np.float32), *(cosines for cosines, _ in found)]
    return np.concatenate(cosines), np.concatenate([np.empty((0, count), np.int64), *(rows for _, rows in found)])


def _ordered(
    vectors: NDArray[np.float32], queries: NDArray[np.float32], rows: NDArray[np.int64], count: int
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Return the cosines and the rows of the ``count`` nearest vectors among ``rows`` (n, k)."""
    cosines = np.einsum("ij,ikj->ik", queries, vectors.take(rows, axis=0), optimize=False)
    order = np.lexsort((rows, -cosines), axis=1)[:, :count]
    return np.take_along_axis(cosines, order, axis=1), np.take_along_axis(rows, order, axis=1)


def unit_rows(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """Scale the rows, float32 (n, d), to L2 norm 1; rows of zeros stay zero."""
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.divide(vectors, norms, out=np.zeros_like(vectors), where=norms > 0)


def pair_cosines(first: NDArray[np.float32], second: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the inner products of corresponding rows of two float32 (m, d) arrays of L2 norm 1: float32 (m,)."""
    cosines: NDArray[np.float32] = np.einsum("ij,ij->i", first, second, optimize=False)
    return cosines
