"""Signal: learned n-gram vectors, whose sum over a product predicts its category.

The linear classifier has a separate weight for each n-gram and category. Here, n-grams share a few dimensions, so
what is learned from one category helps with others too. Source: fastText's classifier, Joulin et al. (2017), "Bag
of tricks for efficient text classification", on the TF-IDF n-grams of the linear models.
"""

from __future__ import annotations

from typing import Self

import numpy as np
from numpy.typing import NDArray

from workers.arrays.segments import find
from workers.arrays.stored import require, require_nodes
from workers.recall.batch import Batch
from workers.signals.base import Reference, SignalState, TrainingSet
from workers.signals.ngram_softmax import NgramSoftmax, fit_softmax
from workers.signals.scores import ProposesNothing, no_context


class NgramVectorScores(ProposesNothing):
    """The log posterior of a category, up to a constant per product; computed when it is asked for."""

    def __init__(self, signal: NgramVectors, sums: NDArray[np.float32]) -> None:
        """``sums``, float32 (n, d), holds the sum of the n-gram vectors of each product."""
        self.context = no_context(len(sums))
        self._signal = signal
        self._sums = sums

    def at(self, products: NDArray[np.int64], categories: NDArray[np.int32]) -> NDArray[np.float32]:
        """Return the score of each pair, NaN if the category has no labelled products."""
        return self._signal.of_sums(self._sums[products], categories)


class NgramVectors:
    """Scores categories by n-gram vectors.

    It proposes no candidates: other linear models already propose the ones it would.
    """

    name = "ngram_vectors"
    context_names: tuple[str, ...] = ()

    def __init__(self, reference: Reference, model: NgramSoftmax, known: NDArray[np.int32]) -> None:
        """``known``, int32 (c,), ascending, are the node indices of the model's categories."""
        self._features = reference.text_features
        self._model = model
        self._vectors = model.vectors.astype(np.float32)
        self._known = known

    def score(self, batch: Batch) -> NgramVectorScores:
        """Score every category that has labelled products."""
        return NgramVectorScores(self, self._features.of(batch).times(self._vectors))

    def of_sums(self, sums: NDArray[np.float32], categories: NDArray[np.int32]) -> NDArray[np.float32]:
        """Return the score of each of m sums, float32 (m, d), for its category, int32 (m,): float32 (m,)."""
        index, hit = find(self._known, categories)
        index = index[hit]
        found = np.full(len(categories), np.nan, np.float32)
        scores = np.einsum("ij,ij->i", sums[hit], self._model.weights[index], optimize=False)
        found[hit] = scores + self._model.intercepts[index]
        return found

    @classmethod
    def fit(cls, training: TrainingSet, reference: Reference) -> Self:
        """Fit the vectors; with a single category there is nothing to learn."""
        known, classes = np.unique(training.labels, return_inverse=True)
        model = fit_softmax(reference.text_features.matrix(training.batch), classes, len(known))
        return cls(reference, model, known.astype(np.int32))

    def state(self) -> SignalState:
        """Return the vectors, weights and categories."""
        return SignalState({**self._model._asdict(), "known": self._known}, {})

    @classmethod
    def restore(cls, state: SignalState, reference: Reference) -> Self:
        """Restore the signal from its state; raises :class:`ValueError` if the arrays do not fit together."""
        arrays = dict(state.arrays)
        known = arrays.pop("known")
        model = NgramSoftmax(**arrays)
        require_nodes("known", known, len(reference.taxonomy))
        require("vectors", model.vectors, np.float16, len(reference.text_features), None)
        require("weights", model.weights, np.float32, len(known), model.vectors.shape[1])
        require("intercepts", model.intercepts, np.float32, len(known))
        return cls(reference, model, known)
