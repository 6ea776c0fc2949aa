"""Base of brand frequency and store co-occurrence: counts from labelled products and from the stream."""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from schemas.events.statistics import StatisticKind
from schemas.taxonomy.tree import Taxonomy
from workers.arrays.pairs import summed
from workers.recall.batch import Batch
from workers.signals.counts import DOUBT, CategoryCounts
from workers.signals.keyed_counts import KeyedCounts
from workers.signals.scores import SparseScores
from workers.statistics import CategoryWeights

LABELLED: Final = "_labelled"
"""Suffix of the context columns that count labelled products. The policy uses them, the ranker does not."""

# The weights learned from the stream are cached as arrays for this many keys, and rebuilt when they change.
_REMEMBERED_KEYS: Final = 10_000


class _Fitted(NamedTuple):
    """The labelled products of a key: how many there are, their nodes, int32, and how many per node, float64."""

    labelled: float
    nodes: NDArray[np.int32]
    values: NDArray[np.float64]


class _Learned(NamedTuple):
    """The weights learned from the stream for a key, also as arrays: int32 node indices and float64 values."""

    weights: CategoryWeights
    nodes: NDArray[np.int32]
    values: NDArray[np.float64]


def context_of(name: str) -> tuple[str, ...]:
    """Return the names of the context columns of the signal called ``name``."""
    return (f"{name}_log_weight", f"{name}_focus", name + LABELLED)


class LiveCounts(KeyedCounts):
    """Scores a category by its share of the total weight of a product's keys."""

    kind: StatisticKind

    def __init__(self, counts: CategoryCounts, taxonomy: Taxonomy) -> None:
        """``counts`` are counts by :meth:`keys`."""
        super().__init__(counts, taxonomy)
        self._fitted: dict[str, _Fitted] = {}
        self._learned: dict[str, _Learned] = {}

    def score(self, batch: Batch) -> SparseScores:
        """Score by shares.

        The context is (log(1 + weight), largest share, labelled). The first two are of all keys of the product
        together. The last is the number of labelled products that the signal was fitted on, for the key that has
        most of them; what the stream has learned since does not count. It is NaN for a product without a key.
        """
        owners, nodes, values = [0], [np.empty(0, np.int32)], [np.empty(0)]
        labelled = np.full(len(batch), np.nan)
        for product, item in enumerate(batch.products):
            keys_of_product = self.keys(item)
            if keys_of_product:
                labelled[product] = 0.0
            for key in keys_of_product:
                fitted = self._of_training(key)
                # The maximum, not the sum: a product that several stores sell is one product.
                labelled[product] = max(labelled[product], fitted.labelled)
                for found in (fitted[1:], self._of_stream(key, batch.statistics.weights(self.kind, key))):
                    owners.append(product)
                    nodes.append(found[0])
                    values.append(found[1])
        products = np.repeat(np.array(owners), [len(part) for part in nodes])
        keys, weights = summed(products, np.concatenate(nodes), np.concatenate(values))
        products = keys >> 32
        total = np.bincount(products, weights, len(batch))
        largest = np.zeros(len(batch))
        np.maximum.at(largest, products, weights)
        shared = np.divide(largest, total, out=np.zeros(len(batch)), where=total > 0)
        context = np.stack([np.log1p(total), shared, labelled], axis=1)
        scores = (weights / (total[products] + DOUBT)).astype(np.float32)
        return SparseScores(keys, scores, context.astype(np.float32))

    def _of_training(self, key: str) -> _Fitted:
        found = self._fitted.get(key)
        if found is None:
            counts = self._counts[key]
            if not counts:
                return _NEVER_FITTED
            values = np.array(list(counts.values()), np.float64)
            found = self._fitted[key] = _Fitted(float(values.sum()), np.array(list(counts), np.int32), values)
        return found

    def _of_stream(self, key: str, weights: CategoryWeights) -> tuple[NDArray[np.int32], NDArray[np.float64]]:
        if not weights:
            return _NOTHING
        known = self._learned.get(key)
        if known is None or known.weights is not weights:
            by_node = self.of_nodes(weights)
            nodes, values = np.array(list(by_node), np.int32), np.array(list(by_node.values()), np.float64)
            known = _Learned(weights, nodes, values)
            if len(self._learned) >= _REMEMBERED_KEYS:
                self._learned.clear()
            self._learned[key] = known
        return known.nodes, known.values


_NOTHING: Final = (np.empty(0, np.int32), np.empty(0, np.float64))
_NEVER_FITTED: Final = _Fitted(0.0, *_NOTHING)
