"""An index of many vectors that compares a query with few of them: those of the centroids nearest to it.

Source: inverted lists over a k-means partition, Sivic and Zisserman (2003); FAISS, ``IndexIVFFlat``.
"""

from __future__ import annotations

from typing import Any, Final, Self

import faiss
import numpy as np
from numpy.typing import NDArray

from workers.arrays.stored import require, require_below

# With fewer vectors, comparing all of them in eight bits is cheaper; in batches of 8 or more, even twice as many.
LEAST_VECTORS: Final = 65_536
_LISTS_FOR_SQUARE_ROOT: Final = 4
# With that number of lists, the number of vectors compared grows with the square root of their total number.
_PROBED: Final = 64
_ITERATIONS: Final = 10
_SAMPLED_FOR_EACH: Final = 128
_ROWS_AT_ONCE: Final = 4_096


class InvertedLists:
    """An inverted-list index (FAISS) that chooses a query's lists in float64.

    In float64, rounding errors that depend on the batch do not affect which lists are chosen.
    """

    def __init__(
        self, vectors: NDArray[np.float32], centroids: NDArray[np.float32], lists: NDArray[np.int32]
    ) -> None:
        """``vectors`` is float32 (n, d) of L2 norm 1, ``centroids`` float32 (k, d), ``lists`` int32 (n,) below k.

        Raises :class:`ValueError` if a shape, a type or a list number is wrong.
        """
        require("vectors", vectors, np.float32, None, None)
        require("centroids", centroids, np.float32, None, vectors.shape[1])
        require("lists", lists, np.int32, len(vectors))
        require_below("lists", lists, len(centroids))
        self.centroids = centroids
        self.lists = lists
        self._vectors = vectors
        self._wide = centroids.astype(np.float64).T
        # FAISS does not keep the quantizer alive.
        self._quantizer = faiss.IndexFlatIP(centroids.shape[1])
        self._quantizer.add(centroids)
        self._index: Any = faiss.IndexIVFFlat(
            self._quantizer, centroids.shape[1], len(centroids), faiss.METRIC_INNER_PRODUCT
        )
        self._index.nprobe = min(_PROBED, len(centroids))
        rows = np.ascontiguousarray(vectors)
        chosen = lists.astype(np.int64)
        self._index.add_core(len(rows), faiss.swig_ptr(rows), None, faiss.swig_ptr(chosen))

    @classmethod
    def of(cls, vectors: NDArray[np.float32]) -> Self:
        """Partition vectors, float32 (n, d) of L2 norm 1; the same vectors give the same partition."""
        count = 1 << round(np.log2(_LISTS_FOR_SQUARE_ROOT * np.sqrt(len(vectors))))
        kmeans = faiss.Kmeans(
            vectors.shape[1],
            count,
            niter=_ITERATIONS,
            spherical=True,
            seed=0,
            max_points_per_centroid=_SAMPLED_FOR_EACH,
            min_points_per_centroid=1,
        )
        kmeans.train(np.ascontiguousarray(vectors))
        centroids = np.asarray(kmeans.centroids, np.float32)
        wide = centroids.astype(np.float64).T
        lists = [
            np.argmax(vectors[start : start + _ROWS_AT_ONCE] @ wide, axis=1)
            for start in range(0, len(vectors), _ROWS_AT_ONCE)
        ]
        return cls(vectors, centroids, np.concatenate(lists).astype(np.int32))

    def search(self, queries: NDArray[np.float32], count: int) -> NDArray[np.int64]:
        """Return the rows of approximately the nearest vectors, int64 (n, count), nearest first.

        ``queries`` is float32 (n, d); ``count`` is at most the number of vectors. If the lists near a query hold
        fewer than ``count`` vectors, the query is compared with all vectors.
        """
        likeness = queries.astype(np.float64) @ self._wide
        probed = np.argpartition(-likeness, self._index.nprobe - 1, axis=1)[:, : self._index.nprobe]
        near = np.take_along_axis(likeness, probed, axis=1).astype(np.float32)
        rows: NDArray[np.int64] = self._index.search_preassigned(queries, count, probed, near)[1]
        short = np.flatnonzero((rows < 0).any(axis=1))
        if len(short):
            rows[short] = faiss.knn(queries[short], self._vectors, count, metric=faiss.METRIC_INNER_PRODUCT)[1]
        return rows
