"""Nearest neighbours by cosine, with the same bits for a query whatever its batch."""

from __future__ import annotations

from typing import Any, Final, Protocol

import faiss
import numpy as np
from numpy.typing import NDArray

from workers.arrays.segments import as_integers

# BLAS picks its kernels by the shape of the matrices, and kernels round differently. So an index finds a few more
# neighbours than wanted, and the cosines that order them are computed pair by pair.
_SPARE: Final = 8
# Bounds what is held at once: 16 MiB of products of queries and vectors, 64 MiB of vectors of 256 floats.
_COMPARED_AT_ONCE: Final = 1 << 22
# Fewer queries at once would read all vectors more often; of that many, so many vectors' products stay in a cache.
_FEWEST_AT_ONCE: Final = 64
_ROWS_AT_ONCE: Final = 1 << 14
_PAIRS_AT_ONCE: Final = 1 << 16
# Of so many rows that lie apart only the greatest product is looked at first, and of no fewer than three times as
# many strides as neighbours are wanted: with as few as these, five times as many rows would pass.
_MOST_APART: Final = 64
_STRIDES_A_NEIGHBOUR: Final = 3
# What BLAS multiplies at once: rows of four where there are few, else of sixteen.
_FEW: Final = 8
_MANY: Final = 16

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
    step = max(_FEWEST_AT_ONCE, _COMPARED_AT_ONCE // max(1, len(vectors)))
    found = [_nearest_of_all(vectors, queries[at : at + step], count) for at in range(0, len(queries), step)]
    cosines = [np.empty((0, count), np.float32), *(cosines for cosines, _ in found)]
    return np.concatenate(cosines), np.concatenate([np.empty((0, count), np.int64), *(rows for _, rows in found)])


def _nearest_of_all(
    vectors: NDArray[np.float32], queries: NDArray[np.float32], count: int
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Compare with all, roughly, and anew with those that rounding might have kept from the nearest."""
    if count == 0:
        return np.empty((len(queries), 0), np.float32), np.empty((len(queries), 0), np.int64)
    row, query = _near(vectors, queries, count)
    cosines = np.empty(len(row), np.float32)
    for at in range(0, len(row), _PAIRS_AT_ONCE):
        pairs = slice(at, at + _PAIRS_AT_ONCE)
        cosines[pairs] = pair_cosines(queries[query[pairs]], vectors[row[pairs]])
    order = np.argsort((query << 33) - as_integers(cosines), kind="stable")
    firsts = np.searchsorted(query[order], np.arange(len(queries)))
    kept = order[firsts[:, None] + np.arange(count)]
    return cosines[kept], row[kept]


def _near(
    vectors: NDArray[np.float32], queries: NDArray[np.float32], count: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return rows and queries, int64, of all pairs that may be among the ``count`` nearest of the query."""
    # Twice what two ways to sum an inner product of vectors of norm 1 can differ by: Higham, "Accuracy and
    # Stability of Numerical Algorithms", 3.1.
    slack = np.float32(2 * vectors.shape[1] * np.finfo(np.float32).eps)
    columns = _padded(queries).T
    least = np.full(columns.shape[1], -np.inf, np.float32)
    least[len(queries) :] = np.inf
    rows, of = [], []
    # All at once where that is little: the first rows bound the others less well.
    block = len(vectors) if len(vectors) * len(queries) <= _COMPARED_AT_ONCE else _ROWS_AT_ONCE
    for start in range(0, len(vectors), block):
        products = vectors[start : start + block] @ columns
        if len(products) >= count:
            least = np.maximum(least, _lower_bound(products, count) - slack)
        row, query = np.divmod(np.flatnonzero(products >= least), len(least))
        rows.append(row + start)
        of.append(query)
    return np.concatenate(rows), np.concatenate(of)


def _padded(queries: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return queries float32 (n, d) and a few more, of zeros, to be multiplied with the vectors as columns.

    By column, and not by row, BLAS rearranges the few queries and not the many vectors, which takes longer than to
    multiply them; and it multiplies four and sixteen columns sooner than three and twelve.
    """
    several = 1 if len(queries) == 1 else 4 if len(queries) <= _FEW else _MANY
    padded = np.zeros((-(-len(queries) // several) * several, queries.shape[1]), np.float32)
    padded[: len(queries)] = queries
    return padded


def _lower_bound(products: NDArray[np.float32], count: int) -> NDArray[np.float32]:
    """Return a bound that at least ``count`` products of each column reach, float32 (n,), and few others do.

    The products are float32 (m, n). The greatest of each stride are products too: what ``count`` of them reach is
    reached, and to find it takes a third of the time.
    """
    rows, columns = products.shape
    apart = min(_MOST_APART, rows // (_STRIDES_A_NEIGHBOUR * count))
    if apart > 1:
        strides = rows // apart
        whole = products[: strides * apart].reshape(apart, strides * columns)
        products = whole.max(axis=0).reshape(strides, columns)
    bound: NDArray[np.float32] = np.partition(products, len(products) - count, axis=0)[-count]
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
