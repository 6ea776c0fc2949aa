"""Signal: naive Bayes on n-grams. It counts, whereas the linear classifier separates, so they err differently.

It models the complement of each class instead of the class itself. Source: Rennie et al. (2003), "Tackling the
poor assumptions of naive Bayes text classifiers".
"""

from __future__ import annotations

from typing import Final, Self

import numpy as np
from scipy import sparse

from workers.recall.batch import Batch
from workers.signals.base import Reference, TrainingSet
from workers.signals.linear_signal import LinearSignal
from workers.signals.scores import DenseScores, no_context
from workers.signals.sparse_linear import SparseLinear, largest_stored, silent

_SMOOTHING: Final = 0.1


class NaiveBayes(LinearSignal):
    """Scores a category by how unlikely the product is among the products of all other categories.

    The intercepts of the model are multiplied by the sum of a product's features.
    """

    name = "naive_bayes"
    context_names: tuple[str, ...] = ()

    def score(self, batch: Batch) -> DenseScores:
        """Score every category that has labelled products."""
        features = self._features.of(batch)
        scores = self._weigh(batch, features) + features.sums()[:, None] * self._model.intercepts
        return DenseScores(self._model.known, scores, no_context(len(batch)))

    @classmethod
    def fit(cls, training: TrainingSet, reference: Reference) -> Self:
        """Fit the model by counting features per category."""
        features = reference.text_features.matrix(training.batch)
        known, classes = np.unique(training.labels, return_inverse=True)
        known = known.astype(np.int32)
        if len(known) < 2 or not features.shape[1]:
            return cls(reference, silent(features.shape[1], known))
        membership = sparse.csr_matrix((np.ones(len(classes)), (classes, np.arange(len(classes)))))
        counts = (membership @ features).tocsr()
        # Summed from the same counts: separate float32 sums of the features could be less than a category's own.
        totals = np.asarray(counts.sum(axis=0), np.float64).ravel()
        # The log of a feature's total count less the log of its count in the complement: zero for categories that
        # lack the feature, so the weights stay sparse. The subtracted term is the same for all categories.
        logs = counts.copy()
        everywhere = totals[counts.indices] + _SMOOTHING
        logs.data = np.log(everywhere) - np.log(everywhere - counts.data)
        mass = np.asarray(counts.sum(axis=1), np.float64).ravel()
        intercepts = np.log(totals.sum() - mass + _SMOOTHING * len(totals))
        weights = largest_stored(logs.T.tocsr().astype(np.float32))
        model = SparseLinear(weights, (intercepts - intercepts.mean()).astype(np.float32), known)
        return cls(reference, model)
