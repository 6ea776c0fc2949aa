"""Signal: the categories whose own text is nearest to the product's, by cosine of embeddings."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from workers.arrays.eight_bits import EightBits
from workers.arrays.nearest import nearest, pair_cosines
from workers.recall.batch import Batch
from workers.signals.base import Reference, ReferenceSignal
from workers.signals.scores import no_context


class _Listed(NamedTuple):
    """The listed ``nodes``, int32 (m,), their ``vectors``, float32 (m, d), and an index of these vectors."""

    nodes: NDArray[np.int32]
    vectors: NDArray[np.float32]
    all_of_them: EightBits


class EmbeddingScores:
    """Proposes the nearest listed categories; the score of any pair is its cosine, computed when asked for."""

    def __init__(self, listed: _Listed, vectors: NDArray[np.float32], queries: NDArray[np.float32]) -> None:
        """``vectors`` (nodes, d) are those of the categories, ``queries`` (n, d) of the products, both float32."""
        self.context = no_context(len(queries))
        self._listed = listed
        self._vectors = vectors
        self._queries = queries

    def top(self, count: int) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
        """Return the nearest categories; a product with only unknown words has none."""
        products = np.flatnonzero(np.any(self._queries, axis=1))
        if not len(products):
            return np.empty(0, np.int64), np.empty(0, np.int32)
        _, rows = nearest(self._listed.vectors, self._queries[products], count, self._listed.all_of_them)
        return np.repeat(products, rows.shape[1]), self._listed.nodes[rows.ravel()]

    def at(self, products: NDArray[np.int64], categories: NDArray[np.int32]) -> NDArray[np.float32]:
        """Return the cosine of each pair."""
        return pair_cosines(self._queries[products], self._vectors[categories])


class TextEmbedding(ReferenceSignal):
    """Scores every node of the tree by its text alone, so it also proposes categories that no label has."""

    name = "text_embedding"
    context_names: tuple[str, ...] = ()

    def __init__(self, reference: Reference) -> None:
        super().__init__(reference)
        is_listed = reference.taxonomy.is_listed
        # If all nodes are listed, no copy is needed.
        vectors = reference.category_vectors if is_listed.all() else reference.category_vectors[is_listed]
        self._listed = _Listed(np.flatnonzero(is_listed).astype(np.int32), vectors, EightBits(vectors))

    def score(self, batch: Batch) -> EmbeddingScores:
        """Score by cosine."""
        return EmbeddingScores(self._listed, self.reference.category_vectors, batch.vectors)
