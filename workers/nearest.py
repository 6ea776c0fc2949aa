"""Nearest neighbours by cosine, with the same bits for a query whatever its batch."""

from __future__ import annotations

from typing import Any, Final, Protocol

import faiss
import numpy as np
from numpy.typing import NDArray

from workers.segments import as_integers

# BLAS picks its kernels by the shape of the matrices, and kernels round differently. So an index finds a few more
# neighbours than wanted, and the cosines that order them are computed pair by pair.
_SPARE: Final = 8
# Bounds what is held at once: 16 MiB of products of queries and vectors, 64 MiB of vectors of 256 floats.
_COMPARED_AT_ONCE: Final = 1 << 22
_PAIRS_AT_ONCE: Final = 1 << 16
# Of so many rows that lie apart only the greatest product is looked at first.
_STRIDES: Final = 64

# FAISS multiplies matrices from this many queries on; its default of 20 leaves small batches ten times slower.
faiss.cvar.distance_compute_blas_threshold = 2
# With two threads the slowest of a thousand searches waits a hundred times longer. This goes for the thread that
# imports us: OpenMP has a number for each.
faiss.omp_set_num_threads(1)


class Index(Protocol):
    """Finds rows of the vectors that it was made of."""

    def search(self, queries: NDArray[np.float32], count: int, /) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """Return inner products float32 (n, count) and rows int64 (n, count), about the greatest first."""


def flat_index(vectors: NDArray[np.float32]) -> Any:
    """Return an exact inner-product index (FAISS) of float32 vectors (n, d)."""
    index = faiss.IndexFlatIP(vectors.shape[1])
    index.add(np.ascontiguousarray(vectors))
    return index


def nearest(
    vectors: NDArray[np.float32], queries: NDArray[np.float32], count: int, index: Index | None = None
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Return cosines float32 (n, k) and rows int64 (n, k) of the nearest of ``vectors``, nearest first.

    ``vectors`` float32 (m, d) and ``queries`` float32 (n, d) are of L2 norm 1 at most; k is ``count`` or, if that
    is less, m. Of equally near ones the first comes first. An ``index`` of the vectors saves comparing them all.
    """
    if index is not None:
        return _nearest_indexed(vectors, queries, count, index)
    count = min(count, len(vectors))
    step = max(1, _COMPARED_AT_ONCE // max(1, len(vectors)))
    found = [_nearest_of_all(vectors, queries[at : at + step], count) for at in range(0, len(queries), step)]
    cosines = [np.empty((0, count), np.float32), *(cosines for cosines, _ in found)]
    return np.concatenate(cosines), np.concatenate([np.empty((0, count), np.int64), *(rows for _, rows in found)])


def _nearest_of_all(
    vectors: NDArray[np.float32], queries: NDArray[np.float32], count: int
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Compare with all, roughly, and anew with those that rounding might have kept from the nearest."""
    if count == 0:
        return np.empty((len(queries), 0), np.float32), np.empty((len(queries), 0), np.int64)
    products = queries @ vectors.T
    least = _lower_bound(products, count)
    # Twice what two ways to sum an inner product of vectors of norm 1 can differ by: Higham, "Accuracy and
    # Stability of Numerical Algorithms", 3.1.
    least -= np.float32(2 * vectors.shape[1] * np.finfo(np.float32).eps)
    query, row = np.divmod(np.flatnonzero(products >= least[:, None]), len(vectors))
    cosines = np.empty(len(row), np.float32)
    for at in range(0, len(row), _PAIRS_AT_ONCE):
        pairs = slice(at, at + _PAIRS_AT_ONCE)
        cosines[pairs] = pair_cosines(queries[query[pairs]], vectors[row[pairs]])
    order = np.argsort((query << 33) - as_integers(cosines), kind="stable")
    kept = order[np.searchsorted(query, np.arange(len(queries)))[:, None] + np.arange(count)]
    return cosines[kept], row[kept]


def _lower_bound(products: NDArray[np.float32], count: int) -> NDArray[np.float32]:
    """Return a bound that at least ``count`` products of each row reach, float32 (n,), and few others do.

    The products are float32 (n, m). The greatest of each stride are products too: what ``count`` of them reach is
    reached, and to find it takes a third of the time.
    """
    strides = products.shape[1] // _STRIDES
    if strides >= count:
        products = products[:, : strides * _STRIDES].reshape(len(products), _STRIDES, strides).max(axis=1)
    place = products.shape[1] - count
    bound: NDArray[np.float32] = np.partition(products, place, axis=1)[:, place]
    return bound


def _nearest_indexed(
    vectors: NDArray[np.float32], queries: NDArray[np.float32], count: int, index: Index
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    _, rows = index.search(np.ascontiguousarray(queries), min(count + _SPARE, len(vectors)))
    cosines = np.einsum("ij,ikj->ik", queries, vectors[rows], optimize=False)
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
