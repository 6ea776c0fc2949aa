"""What a signal is, what it sees, and what it is fitted on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from schemas.events.product import Product
from schemas.taxonomy.tree import Taxonomy
from workers.examples import Examples, Neighbours
from workers.statistics import NoStatistics, Statistics


@dataclass(frozen=True, slots=True)
class Batch:
    """The n products of a batch, encoded once.

    ``vectors`` is float32 (n, d), rows of L2 norm 1 or 0; ``described`` likewise of the descriptions, those of
    ``vectors`` where a product has none or the encoder reads none. ``neighbours`` is filled at the first search.
    """

    products: Sequence[Product]
    vectors: NDArray[np.float32]
    described: NDArray[np.float32]
    statistics: Statistics = field(default_factory=NoStatistics)
    neighbours: dict[Examples, Neighbours] = field(default_factory=dict, compare=False, repr=False)

    def __len__(self) -> int:
        return len(self.products)


@dataclass(frozen=True, slots=True)
class Reference:
    """What signals refer to and need not store themselves.

    ``taxonomy`` is the tree that candidates are nodes of, ``category_vectors`` float32 (nodes, d) the encoded text
    of each node, ``examples`` the labelled products.
    """

    taxonomy: Taxonomy
    category_vectors: NDArray[np.float32]
    examples: Examples


@dataclass(frozen=True, slots=True)
class TrainingSet:
    """Labelled products: ``batch`` of n products, and ``labels`` int32 (n,), node indices of the tree."""

    batch: Batch
    labels: NDArray[np.int32]
    reference: Reference

    @classmethod
    def of(
        cls, batch: Batch, labels: NDArray[np.int32], taxonomy: Taxonomy, category_vectors: NDArray[np.float32]
    ) -> Self:
        """Make the examples of the products themselves."""
        examples = Examples.of(batch.products, batch.vectors, labels)
        return cls(batch, labels, Reference(taxonomy, category_vectors, examples))

    def take(self, rows: NDArray[np.intp]) -> TrainingSet:
        """Return the training set of some of the rows; the others are no examples in it."""
        products = [self.batch.products[row] for row in rows]
        batch = Batch(products, self.batch.vectors[rows], self.batch.described[rows])
        return TrainingSet.of(batch, self.labels[rows], self.reference.taxonomy, self.reference.category_vectors)


class Scores(Protocol):
    """What one signal says of the n products of a batch."""

    @property
    def context(self) -> NDArray[np.float32]:
        """What the signal knows of each product itself: float32 (n, columns of ``context_names``)."""

    def top(self, count: int) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
        """Return the ``count`` best candidates of each product as (product indices, node indices), paired.

        No product has a candidate twice.
        """

    def at(self, products: NDArray[np.int64], categories: NDArray[np.int32]) -> NDArray[np.float32]:
        """Return the score of each (product, category) pair, NaN where the signal knows nothing of it."""


@dataclass(frozen=True, slots=True)
class SignalState:
    """A fitted signal, ready to be stored: arrays go to safetensors, ``meta`` to JSON."""

    arrays: dict[str, NDArray[Any]]
    meta: dict[str, Any]


class Signal(Protocol):
    """One independent source of candidates. None is a gatekeeper: what one alone names is a candidate."""

    name: str
    context_names: tuple[str, ...]

    def score(self, batch: Batch) -> Scores:
        """Score the products of a batch; a product's scores depend on it alone, not on its batch."""

    @classmethod
    def fit(cls, training: TrainingSet) -> Self:
        """Learn from labelled products."""

    def state(self) -> SignalState:
        """Return the fitted state."""

    @classmethod
    def restore(cls, state: SignalState, reference: Reference) -> Self:
        """Make the signal again from its state."""
