"""Nearest neighbours by cosine (FAISS), with the same bits for a query whatever its batch."""

from __future__ import annotations

from typing import Any, Final, Protocol

import faiss
import numpy as np
from numpy.typing import NDArray

# BLAS picks its kernels by the shape of the matrices, and kernels round differently. So FAISS finds a few more
# neighbours than wanted, and the cosines that order them are computed pair by pair.
_SPARE: Final = 8

# FAISS multiplies matrices from this many queries on; its default of 20 leaves small batches ten times slower.
faiss.cvar.distance_compute_blas_threshold = 2
# One thread a process: with two, the slowest of a thousand searches waits a hundred times longer.
faiss.omp_set_num_threads(1)


class Index(Protocol):
    """Finds rows of the vectors that it was made of."""

    def search(self, queries: NDArray[np.float32], count: int, /) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """Return inner products float32 (n, count) and rows int64 (n, count), about the greatest first."""


def flat_index(vectors: NDArray[np.float32]) -> Any:
    """Return an exact inner-product index of float32 vectors (n, d)."""
    index = faiss.IndexFlatIP(vectors.shape[1])
    index.add(np.ascontiguousarray(vectors))
    return index


def nearest(
    index: Index, vectors: NDArray[np.float32], queries: NDArray[np.float32], count: int
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Return cosines float32 (n, k) and rows int64 (n, k) of the nearest of ``vectors``, nearest first.

    ``index`` is of ``vectors``, ``queries`` float32 (n, d); k is ``count`` or, if that is less, the number of
    vectors. Of equally near ones the first comes first.
    """
    found = min(count + _SPARE, len(vectors))
    _, rows = index.search(np.ascontiguousarray(queries), found)
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
