"""Signal: a linear classifier on the n-grams of the title, the merchant's text and the description."""

from __future__ import annotations

from typing import Self

import numpy as np

from workers.recall.batch import Batch
from workers.signals.base import Reference, TrainingSet
from workers.signals.hyperplanes import fit_hyperplanes
from workers.signals.linear_signal import LinearSignal
from workers.signals.scores import DenseScores
from workers.text.tokens import words


class LinearText(LinearSignal):
    """A linear model with one hyperplane per labelled category; the score is the signed value of its function."""

    name = "linear_text"
    context_names: tuple[str, ...] = ("linear_text_title_words",)

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
