"""Signal: which categories occur together with the stores that sell the product."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from schemas.events.product import Product
from workers.signals.base import Batch
from workers.signals.live_counts import LiveCounts
from workers.signals.scores import SparseScores
from workers.statistics import CategoryWeights, Statistics, normalise_key

LABELLED: Final = "store_cooccurrence_labelled"
"""The context column with the labelled products of a product's stores that the model was fitted on, all together;
NaN for a product without a store. What the stream learns does not count."""


class StoreCooccurrence(LiveCounts):
    """A shop for lamps sells lamps: the categories of what else its stores sell."""

    name = "store_cooccurrence"
    context_names: tuple[str, ...] = ("store_cooccurrence_log_weight", "store_cooccurrence_focus", LABELLED)

    def score(self, batch: Batch) -> SparseScores:
        """Score by shares; see :class:`LiveCounts`. The last context column is :data:`LABELLED`."""
        found = super().score(batch)
        context = np.column_stack([found.context, self._labelled(batch)])
        return SparseScores(found.keys, found.scores, context)

    def _labelled(self, batch: Batch) -> NDArray[np.float32]:
        keys = [self.keys(product) for product in batch.products]
        labelled = [sum(map(self.labelled, each)) if each else np.nan for each in keys]
        return np.array(labelled, np.float32)

    @staticmethod
    def keys(product: Product) -> list[str]:
        """Return the stores."""
        return list(dict.fromkeys(key for store in product.stores if (key := normalise_key(store))))

    @staticmethod
    def live(statistics: Statistics, key: str) -> CategoryWeights:
        """Return the store's weights."""
        return statistics.store(key)
