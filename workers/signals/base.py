"""What a signal is, what it sees, and what it is fitted on."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field, replace
from typing import Any, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from schemas.taxonomy.tree import Taxonomy
from workers.recall.batch import Batch
from workers.recall.examples import Examples
from workers.signals.linear_models import LinearModels
from workers.text.features import TextFeatures


@dataclass(frozen=True, slots=True)
class TrainingSet:
    """Labelled products: ``batch`` of n products, and ``labels`` int32 (n,), node indices of ``taxonomy``.

    ``category_vectors`` float32 (nodes, d) is the encoded text of each node.
    """

    batch: Batch
    labels: NDArray[np.int32]
    taxonomy: Taxonomy
    category_vectors: NDArray[np.float32]

    def take(self, rows: NDArray[np.intp]) -> TrainingSet:
        """Return the training set of some of the products."""
        return replace(self, batch=self.batch.take(rows), labels=self.labels[rows])


@dataclass(frozen=True, slots=True)
class Reference:
    """What signals share and none of them stores.

    ``taxonomy`` is the tree that candidates are nodes of, ``category_vectors`` float32 (nodes, d) the encoded text
    of each node, ``examples`` the labelled products, ``text_features`` what n-grams texts are made of,
    ``linear_models`` the models of these that signals hold.
    """

    taxonomy: Taxonomy
    category_vectors: NDArray[np.float32]
    examples: Examples
    text_features: TextFeatures
    linear_models: LinearModels = field(default_factory=LinearModels, compare=False, repr=False)

    @classmethod
    def of(cls, training: TrainingSet) -> Self:
        """Make the examples of the labelled products, and the n-grams of their texts."""
        products = training.batch.products
        examples = Examples.of(products, training.batch.branded, training.labels)
        return cls(training.taxonomy, training.category_vectors, examples, TextFeatures.fit(products))


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
    def fit(cls, training: TrainingSet, reference: Reference) -> Self:
        """Learn from labelled products; ``reference`` is of the same."""

    def state(self) -> SignalState:
        """Return the fitted state."""

    @classmethod
    def restore(cls, state: SignalState, reference: Reference) -> Self:
        """Make the signal again from its state."""


class ReferenceSignal(ABC):
    """A signal that holds nothing of its own: the reference is all it asks."""

    def __init__(self, reference: Reference) -> None:
        self.reference = reference

    @abstractmethod
    def score(self, batch: Batch) -> Scores:
        """Score the products of a batch."""

    @classmethod
    def fit(cls, training: TrainingSet, reference: Reference) -> Self:  # noqa: ARG003
        """Ask the reference."""
        return cls(reference)

    def state(self) -> SignalState:
        """Return nothing: the bundle stores the reference."""
        return SignalState({}, {})

    @classmethod
    def restore(cls, state: SignalState, reference: Reference) -> Self:  # noqa: ARG003
        """Ask the reference."""
        return cls(reference)
