"""What the signals have in common that are a linear model over the n-grams of a product's texts."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Self

from workers.recall.batch import Batch
from workers.signals.base import Reference, Scores, SignalState, TrainingSet
from workers.signals.sparse_linear import SparseLinear


class LinearSignal(ABC):
    """A signal whose state is its model; ``_weigh`` evaluates it together with those of the other signals."""

    def __init__(self, reference: Reference, model: SparseLinear) -> None:
        self._features = reference.text_features
        self._model = model
        self._weigh = reference.linear_models.add(model)

    @abstractmethod
    def score(self, batch: Batch) -> Scores:
        """Score the products of a batch."""

    @classmethod
    @abstractmethod
    def fit(cls, training: TrainingSet, reference: Reference) -> Self:
        """Fit the model."""

    def state(self) -> SignalState:
        """Return the weights, intercepts and categories."""
        return SignalState(self._model.arrays(), {})

    @classmethod
    def restore(cls, state: SignalState, reference: Reference) -> Self:
        """Restore the signal from its state."""
        return cls(reference, SparseLinear.restore(state.arrays, reference))
