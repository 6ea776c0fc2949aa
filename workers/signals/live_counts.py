"""What brand frequency and store co-occurrence share: counts of labelled products and of the stream."""

from __future__ import annotations

from abc import abstractmethod

import numpy as np

from schemas.events.product import Product
from workers.signals.base import Batch
from workers.signals.counts import focus, shares
from workers.signals.keyed_counts import KeyedCounts
from workers.signals.scores import SparseScores
from workers.statistics import CategoryWeights, Statistics


class LiveCounts(KeyedCounts):
    """Scores a category by its share of the weight of a product's keys."""

    @staticmethod
    @abstractmethod
    def live(statistics: Statistics, key: str) -> CategoryWeights:
        """Return what the stream has learned of a key."""

    def score(self, batch: Batch) -> SparseScores:
        """Score by shares; context is (log of 1 + weight, largest share) of the product's keys together."""
        context = np.zeros((len(batch), 2), np.float32)
        rows = []
        for place, product in enumerate(batch.products):
            weights = self._weights(product, batch.statistics)
            context[place] = focus(weights)
            rows.append(shares(weights))
        return SparseScores(rows, context)

    def _weights(self, product: Product, statistics: Statistics) -> dict[int, float]:
        total: dict[int, float] = {}
        for key in self.keys(product):
            for category, weight in self._counts[key].items():
                total[category] = total.get(category, 0.0) + weight
            for category_id, weight in self.live(statistics, key).items():
                # Learned under another version of the tree, a category may be gone from this one.
                node = self._taxonomy.find_id(category_id)
                if node is not None:
                    total[node] = total.get(node, 0.0) + weight
        return total
