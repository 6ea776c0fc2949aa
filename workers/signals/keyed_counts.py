"""Base of all signals that count categories by a product's keys: its brand, its stores, or its texts."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Self

from schemas.events.product import Product
from schemas.taxonomy.tree import Taxonomy
from workers.recall.batch import Batch
from workers.signals.base import Reference, Scores, SignalState, TrainingSet
from workers.signals.counts import CategoryCounts
from workers.statistics import CategoryWeights


class KeyedCounts(ABC):
    """Counts the categories of labelled products for each key."""

    name: str
    context_names: tuple[str, ...]

    def __init__(self, counts: CategoryCounts, taxonomy: Taxonomy) -> None:
        """``counts`` are counts by :meth:`keys`."""
        self._counts = counts
        self._taxonomy = taxonomy

    @staticmethod
    @abstractmethod
    def keys(product: Product) -> list[str]:
        """Return the normalised keys of a product."""

    def of_nodes(self, learned: CategoryWeights) -> dict[int, float]:
        """Return the weights that the stream has learned for a key, by node index.

        They may have been learned with another version of the tree, so categories that do not exist in this one,
        or are not listed in it, are left out.
        """
        found = [(self._taxonomy.find_id(category), weight) for category, weight in learned.items()]
        is_listed = self._taxonomy.is_listed
        return {node: weight for node, weight in found if node is not None and is_listed[node]}

    @abstractmethod
    def score(self, batch: Batch) -> Scores:
        """Score the products of a batch."""

    @classmethod
    def fit(cls, training: TrainingSet, reference: Reference) -> Self:
        """Count the labelled products of each key."""
        pairs = (
            (key, label)
            for product, label in zip(training.batch.products, training.labels.tolist(), strict=True)
            for key in cls.keys(product)
        )
        return cls(CategoryCounts.count(pairs), reference.taxonomy)

    def state(self) -> SignalState:
        """Return the counts."""
        return self._counts.state()

    @classmethod
    def restore(cls, state: SignalState, reference: Reference) -> Self:
        """Restore the signal from its state."""
        return cls(CategoryCounts.restore(state, len(reference.taxonomy)), reference.taxonomy)
