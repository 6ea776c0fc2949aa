"""What all signals share that count categories by keys of a product: its brand, its stores, its texts."""

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
    """Counts the categories of labelled products by key."""

    name: str
    context_names: tuple[str, ...]

    def __init__(self, counts: CategoryCounts, taxonomy: Taxonomy) -> None:
        """``counts`` has been counted over :meth:`keys`."""
        self._counts = counts
        self._taxonomy = taxonomy

    @staticmethod
    @abstractmethod
    def keys(product: Product) -> list[str]:
        """Return the normalised keys of a product."""

    def of_nodes(self, learned: CategoryWeights) -> dict[int, float]:
        """Return what the stream has learned of a key, by node index.

        Learned under another version of the tree, a category may be gone from this one, or from its list.
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
        """Make the signal again."""
        return cls(CategoryCounts.restore(state, len(reference.taxonomy)), reference.taxonomy)
