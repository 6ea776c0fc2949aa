"""What all signals share that count categories by keys of a product: its brand, its stores, its texts."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Self

from schemas.events.product import Product
from schemas.taxonomy.tree import Taxonomy
from workers.signals.base import Batch, Reference, Scores, SignalState, TrainingSet
from workers.signals.counts import CategoryCounts


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
        return cls(CategoryCounts.restore(state), reference.taxonomy)
