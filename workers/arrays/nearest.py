"""Nearest neighbours by cosine, with the same bits for a query whatever its batch."""

from __future__ import annotations

from typing import Any, Final, Protocol

import faiss
import numpy as np
from numpy.typing import NDArray

# An index is approximate, so it is asked for more than are wanted, which are then ordered by exact cosines. Those
# are computed pair by pair: how a product of matrices rounds depends on its shape, by which BLAS picks a kernel.
_SPARE_SHARE: Final = 4
_LEAST_SPARE: Final = 8
# The products of so many with 5,000 vectors, or 60 vectors for each of them, fit into a cache.
_QUERIES_AT_ONCE: Final = 64

# FAISS multiplies matrices from this many queries on; its default of 20 leaves small batches ten times slower.
faiss.cvar.distance_compute_blas_threshold = 2
# With two threads the slowest of a thousand searches waits a hundred times longer. This goes for the thread that
# imports us: OpenMP has a number for each.
faiss.omp_set_num_threads(1)


class Index(Protocol):
    """Finds rows of the vectors that it was made of."""

    def search(self, queries: NDArray[np.float32], count: int, /) -> NDArray[np.int64]:
        """Return rows int64 (n, count) of about the nearest; n and ``count`` are at least 1."""


def flat_index(vectors: NDArray[np.float32]) -> Any:
    """Return an exact inner-product index (FAISS) of float32 vectors (n, d)."""
    index = faiss.IndexFlatIP(vectors.shape[1])
    index.add(np.ascontiguousarray(vectors))
    return index


def nearest(
    vectors: NDArray[np.float32], queries: NDArray[np.float32], count: int, index: Index
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Return cosines float32 (n, k) and rows int64 (n, k) of the nearest of ``vectors``, nearest first.

    ``vectors`` float32 (m, d) and ``queries`` float32 (n, d) are of L2 norm 1 at most; k is ``count`` or, if that
    is less, m. Of equally near ones the first comes first. ``index`` is one of the vectors.
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
    """Return the cosines and the rows of the ``count`` nearest among some rows (n, k)."""
    cosines = np.einsum("ij,ikj->ik", queries, vectors.take(rows, axis=0), optimize=False)
    order = np.lexsort((rows, -cosines), axis=1)[:, :count]
    return np.take_along_axis(cosines, order, axis=1), np.take_along_axis(rows, order, axis=1)


def unit_rows(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the rows float32 (n, d) scaled to L2 norm 1; a row of zeros stays one."""
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.divide(vectors, norms, out=np.zeros_like(vectors), where=norms > 0)


def pair_cosines(first: NDArray[np.float32], second: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the inner product of each pair of rows: float32 (m,) of two float32 (m, d) of L2 norm 1."""
    cosines: NDArray[np.float32] = np.einsum("ij,ij->i", first, second, optimize=False)
    return cosines
