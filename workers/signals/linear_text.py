"""Signal: a linear classifier on the n-grams of the title, the merchant's text and the description."""

from __future__ import annotations

from typing import Self

import numpy as np

from workers.recall.batch import Batch
from workers.signals.base import Reference, SignalState, TrainingSet
from workers.signals.hyperplanes import fit_hyperplanes
from workers.signals.scores import DenseScores
from workers.signals.sparse_linear import SparseLinear
from workers.text.tokens import words


class LinearText:
    """A linear model with one hyperplane per labelled category; the score is the signed value of its function."""

    name = "linear_text"
    context_names: tuple[str, ...] = ("linear_text_title_words",)

    def __init__(self, reference: Reference, model: SparseLinear) -> None:
        self._features = reference.text_features
        self._model = model
        self._weigh = reference.linear_models.add(model)

    def score(self, batch: Batch) -> DenseScores:
        """Score every category that has labelled products; the context is the number of words in the title."""
        scores = self._weigh(batch, self._features.of(batch)) + self._model.intercepts
        title_words = [[len(words(product.title))] for product in batch.products]
        return DenseScores(self._model.known, scores, np.array(title_words, np.float32).reshape(-1, 1))

    @classmethod
    def fit(cls, training: TrainingSet, reference: Reference) -> Self:
        """Fit the hyperplanes; with a single category there is nothing to learn."""
        features = reference.text_features.matrix(training.batch)
        return cls(reference, fit_hyperplanes(features, training.labels))

    def state(self) -> SignalState:
        """Return the hyperplanes."""
        return SignalState(self._model.arrays(), {})

    @classmethod
    def restore(cls, state: SignalState, reference: Reference) -> Self:
        """Restore the classifier from its state."""
        return cls(reference, SparseLinear.restore(state.arrays, reference))
