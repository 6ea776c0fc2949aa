"""Signal: the categories whose own text lies nearest to the product's, by cosine of embeddings."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from workers.nearest import nearest, pair_cosines
from workers.signals.base import Batch, ReferenceSignal
from workers.signals.scores import no_context


class EmbeddingScores:
    """Nearest categories; the score of any pair is the cosine, computed when asked for."""

    def __init__(self, vectors: NDArray[np.float32], queries: NDArray[np.float32]) -> None:
        """``vectors`` are the categories' (nodes, d) and ``queries`` the products' (n, d), both float32."""
        self.context = no_context(len(queries))
        self._vectors = vectors
        self._queries = queries

    def top(self, count: int) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
        """Return the nearest categories; a product of unknown words has none."""
        products = np.flatnonzero(np.any(self._queries, axis=1))
        if not len(products):
            return np.empty(0, np.int64), np.empty(0, np.int32)
        _, categories = nearest(self._vectors, self._queries[products], count)
        return np.repeat(products, categories.shape[1]), categories.ravel().astype(np.int32)

    def at(self, products: NDArray[np.int64], categories: NDArray[np.int32]) -> NDArray[np.float32]:
        """Return the cosine of each pair."""
        return pair_cosines(self._queries[products], self._vectors[categories])


class TextEmbedding(ReferenceSignal):
    """Knows every node of the tree from its text alone, so it names categories that no label ever named."""

    name = "text_embedding"
    context_names: tuple[str, ...] = ()

    def score(self, batch: Batch) -> EmbeddingScores:
        """Score by cosine."""
        return EmbeddingScores(self.reference.category_vectors, batch.vectors)
