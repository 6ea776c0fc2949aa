"""Signal: the categories whose own text lies nearest to the product's, by cosine of embeddings (FAISS)."""

from __future__ import annotations

from typing import Any, Self

import faiss
import numpy as np
from numpy.typing import NDArray

from workers.blocks import blocks
from workers.signals.base import Batch, CategoryVectors, SignalState, TrainingSet
from workers.signals.scores import no_context


class EmbeddingScores:
    """Nearest categories by FAISS; the score of any pair is the cosine, computed when asked for."""

    def __init__(self, index: Any, vectors: NDArray[np.float32], queries: NDArray[np.float32]) -> None:
        """``vectors`` are the categories' (nodes, d) and ``queries`` the products' (n, d), both float32."""
        self.context = no_context(len(queries))
        self._index = index
        self._vectors = vectors
        self._queries = queries

    def top(self, count: int) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
        """Return the nearest categories; a product of unknown words has none."""
        found = np.full((len(self._queries), count), -1, np.int64)
        for rows, block in blocks(self._queries):
            _, nearest = self._index.search(block, count)
            found[rows] = nearest[: rows.stop - rows.start]
        found[~self._queries.any(axis=1)] = -1
        products, places = np.nonzero(found >= 0)
        return products.astype(np.int64), found[products, places].astype(np.int32)

    def at(self, products: NDArray[np.int64], categories: NDArray[np.int32]) -> NDArray[np.float32]:
        """Return the cosine of each pair."""
        cosines: NDArray[np.float32] = np.einsum(
            "ij,ij->i", self._queries[products], self._vectors[categories], optimize=False
        )
        return cosines


class TextEmbedding:
    """Knows every node of the tree from its text alone, so it names categories that no label ever named."""

    name = "text_embedding"
    context_names: tuple[str, ...] = ()

    def __init__(self, categories: CategoryVectors) -> None:
        """Index the categories' vectors: flat and exact, as trees of 15,000 nodes are small."""
        self._vectors = categories.vectors
        self._index = faiss.IndexFlatIP(self._vectors.shape[1])
        self._index.add(self._vectors)

    def score(self, batch: Batch) -> EmbeddingScores:
        """Score by cosine."""
        return EmbeddingScores(self._index, self._vectors, batch.vectors)

    @classmethod
    def fit(cls, training: TrainingSet) -> Self:
        """Use the categories' vectors; labels say nothing here."""
        return cls(training.categories)

    def state(self) -> SignalState:
        """Return nothing: the bundle's category index holds it all."""
        return SignalState({}, {})

    @classmethod
    def restore(cls, state: SignalState, categories: CategoryVectors) -> Self:  # noqa: ARG003
        """Index the categories' vectors."""
        return cls(categories)
