"""Signal: the categories whose names share words with the product, scored by words and embeddings together.

Embeddings confuse a spade with a rake; words alone know no synonyms. Source: a weighted sum of a lexical and a
dense score, Bruch, Gai and Ingber (2023), "An analysis of fusion functions for hybrid retrieval".
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from workers.arrays.nearest import pair_cosines, unit_rows
from workers.arrays.pairs import pair_keys
from workers.recall.batch import Batch
from workers.signals.base import Reference, ReferenceSignal
from workers.signals.scores import SparseScores, no_context
from workers.text.product_text import embedding_text
from workers.text.tree_words import tree_words

# Chosen on the training sets of four catalogues, without labelled products to learn from.
_WEIGHT_OF_WORDS: Final = np.float32(0.2)
_WEIGHT_OF_DESCRIPTION: Final = np.float32(0.5)


class WordScores:
    """The cosine of a product and a category, plus a bonus for the words that they share."""

    def __init__(self, shared: SparseScores, vectors: NDArray[np.float32], queries: NDArray[np.float32]) -> None:
        """``vectors`` (nodes, d) are those of the categories, ``queries`` (n, d) of the products, both float32."""
        self.context = no_context(len(queries))
        self._shared = shared
        self._vectors = vectors
        self._queries = queries

    def top(self, count: int) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
        """Return the best of the categories that share words with the product."""
        products, categories = self._shared.top(4 * count)
        order = np.argsort(pair_keys(products, categories))
        products, categories = products[order], categories[order]
        scores = self.at(products, categories)
        return SparseScores(pair_keys(products, categories), scores, self.context).top(count)

    def at(self, products: NDArray[np.int64], categories: NDArray[np.int32]) -> NDArray[np.float32]:
        """Return the score of each pair."""
        shared = np.nan_to_num(self._shared.at(products, categories))
        return pair_cosines(self._queries[products], self._vectors[categories]) + _WEIGHT_OF_WORDS * shared


class CategoryWords(ReferenceSignal):
    """Scores every listed node of the tree by its names, so it needs no labelled products."""

    name = "category_words"
    context_names: tuple[str, ...] = ()

    def __init__(self, reference: Reference) -> None:
        super().__init__(reference)
        self._words = tree_words(reference.taxonomy)

    def score(self, batch: Batch) -> WordScores:
        """Score by embeddings and words; the description's embedding has half the weight."""
        keys, shares = self._words.shared([embedding_text(product) for product in batch.products])
        queries = unit_rows(batch.vectors + _WEIGHT_OF_DESCRIPTION * batch.described)
        shared = SparseScores(keys, shares, no_context(len(batch)))
        return WordScores(shared, self.reference.category_vectors, queries)
