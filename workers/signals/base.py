"""The interface of a signal, its input, and the data it is fitted on."""

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
    """Labelled products: a ``batch`` of n products and their ``labels``, int32 (n,), node indices of ``taxonomy``.

    ``category_vectors``, float32 (nodes, d), holds the encoded text of each node.
    """

    batch: Batch
    labels: NDArray[np.int32]
    taxonomy: Taxonomy
    category_vectors: NDArray[np.float32]

    def take(self, rows: NDArray[np.intp]) -> TrainingSet:
        """Return a training set that contains only the products at ``rows``."""
        return replace(self, batch=self.batch.take(rows), labels=self.labels[rows])


@dataclass(frozen=True, slots=True)
class Reference:
    """Data that the signals share and that none of them stores.

    ``taxonomy`` is the tree whose nodes are the candidates. ``category_vectors``, float32 (nodes, d), holds the
    encoded text of each node. ``examples`` are the labelled products. ``text_features`` extracts n-gram features
    from the texts of products, and ``linear_models`` collects the signals' linear models over these features.
    """

    taxonomy: Taxonomy
    category_vectors: NDArray[np.float32]
    examples: Examples
    text_features: TextFeatures
    linear_models: LinearModels = field(default_factory=LinearModels, compare=False, repr=False)

    @classmethod
    def of(cls, training: TrainingSet) -> Self:
        """Build the reference for a training set: its examples and the n-gram features of its texts."""
        products = training.batch.products
        examples = Examples.of(products, training.batch.branded, training.labels)
        return cls(training.taxonomy, training.category_vectors, examples, TextFeatures.fit(products))


class Scores(Protocol):
    """The scores that one signal gives the n products of a batch."""

    @property
    def context(self) -> NDArray[np.float32]:
        """What the signal knows about each product as a whole: float32 (n, len(context_names))."""

    def top(self, count: int) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
        """Return the ``count`` best candidates of each product as parallel arrays: product and node indices.

        No product has the same candidate twice.
        """

    def at(self, products: NDArray[np.int64], categories: NDArray[np.int32]) -> NDArray[np.float32]:
        """Return the score of each (product, category) pair, NaN if the signal knows nothing about it."""


@dataclass(frozen=True, slots=True)
class SignalState:
    """The state of a fitted signal, ready to be stored: ``arrays`` as safetensors, ``meta`` as JSON."""

    arrays: dict[str, NDArray[Any]]
    meta: dict[str, Any]


class Signal(Protocol):
    """One independent source of candidates.

    No signal can veto another: a category that only one signal proposes is still a candidate.
    """

    name: str
    context_names: tuple[str, ...]

    def score(self, batch: Batch) -> Scores:
        """Score the products of a batch; a product's scores do not depend on the rest of the batch."""

    @classmethod
    def fit(cls, training: TrainingSet, reference: Reference) -> Self:
        """Fit the signal on labelled products; ``reference`` was built from the same products."""

    def state(self) -> SignalState:
        """Return the fitted state."""

    @classmethod
    def restore(cls, state: SignalState, reference: Reference) -> Self:
        """Restore the signal from its state."""


class ReferenceSignal(ABC):
    """A signal without a state of its own: it needs only the reference."""

    def __init__(self, reference: Reference) -> None:
        self.reference = reference

    @abstractmethod
    def score(self, batch: Batch) -> Scores:
        """Score the products of a batch."""

    @classmethod
    def fit(cls, training: TrainingSet, reference: Reference) -> Self:  # noqa: ARG003
        """Return a signal that uses the reference."""
        return cls(reference)

    def state(self) -> SignalState:
        """Return an empty state: the bundle stores the reference."""
        return SignalState({}, {})

    @classmethod
    def restore(cls, state: SignalState, reference: Reference) -> Self:  # noqa: ARG003
        """Return a signal that uses the reference."""
        return cls(reference)
