"""Signal: a linear classifier on the encoder's vectors of title, brand and description.

The linear text model sees words; this one sees their meaning. Source: linear discriminant analysis with a
covariance that all classes share, shrunk towards a multiple of the identity (Ledoit and Wolf, 2004, but with a
fixed shrinkage). It is fitted in closed form, so hundreds of categories take a second.
"""

from __future__ import annotations

from typing import Final, Self

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import solve

from workers.recall.batch import Batch
from workers.signals.base import Reference, SignalState, TrainingSet
from workers.signals.scores import DenseScores, no_context

_SHRINKAGE: Final = 0.1
# Scores are in the hundreds, where single precision keeps no more digits; those beyond would depend on the batch.
_DIGITS: Final = 2
# Each category's mean starts from the mean of all products, which counts as much as this many products.
_PRIOR_PRODUCTS: Final = 1.0


class EmbeddingClassifier:
    """Scores each category by its log posterior, up to a constant per product."""

    name = "embedding_classifier"
    context_names: tuple[str, ...] = ()

    def __init__(
        self, weights: NDArray[np.float32], intercepts: NDArray[np.float32], known: NDArray[np.int32]
    ) -> None:
        """``weights`` is float32 (2 d, c), ``intercepts`` float32 (c,), ``known`` int32 (c,), ascending nodes."""
        self._stored = weights
        # In double precision, the summation order of a matrix product does not affect the digits that are kept.
        self._weights = weights.astype(np.float64)
        self._intercepts = intercepts
        self._known = known

    def score(self, batch: Batch) -> DenseScores:
        """Score every category that has labelled products."""
        scores = np.round(_inputs(batch) @ self._weights + self._intercepts, _DIGITS)
        return DenseScores(self._known, scores.astype(np.float32), no_context(len(batch)))

    @classmethod
    def fit(cls, training: TrainingSet, reference: Reference) -> Self:  # noqa: ARG003
        """Fit the means of the categories and the shared covariance."""
        known, classes = np.unique(training.labels, return_inverse=True)
        values = _inputs(training.batch)
        width = values.shape[1]
        if not len(values):
            return cls(np.zeros((width, 0), np.float32), np.zeros(0, np.float32), known.astype(np.int32))
        counts = np.bincount(classes).astype(np.float64)
        means = np.zeros((len(known), width))
        np.add.at(means, classes, values)
        means = (means + _PRIOR_PRODUCTS * values.mean(axis=0)) / (counts + _PRIOR_PRODUCTS)[:, None]
        centred = values - means[classes]
        covariance = centred.T @ centred / len(values)
        variance = max(float(np.trace(covariance)) / width, 1e-9)
        shrunk = (1 - _SHRINKAGE) * covariance + _SHRINKAGE * variance * np.eye(width)
        weights = solve(shrunk, means.T, assume_a="pos")
        intercepts = np.log(counts / counts.sum()) - 0.5 * np.einsum("ij,ji->i", means, weights)
        return cls(weights.astype(np.float32), intercepts.astype(np.float32), known.astype(np.int32))

    def state(self) -> SignalState:
        """Return the weights, intercepts and categories."""
        return SignalState({"weights": self._stored, "intercepts": self._intercepts, "known": self._known}, {})

    @classmethod
    def restore(cls, state: SignalState, reference: Reference) -> Self:  # noqa: ARG003
        """Restore the classifier from its state."""
        return cls(state.arrays["weights"], state.arrays["intercepts"], state.arrays["known"])


def _inputs(batch: Batch) -> NDArray[np.float64]:
    return np.concatenate([batch.branded, batch.described], axis=1).astype(np.float64)
