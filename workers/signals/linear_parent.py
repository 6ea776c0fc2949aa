"""Signal: a linear classifier that predicts the parent of a product's category.

Parents have many more labelled products than their children, so it can score even a child that has none. Source:
top-down hierarchical classification with local classifiers, Silla and Freitas (2011).
"""

from __future__ import annotations

from typing import Self

import numpy as np
from numpy.typing import NDArray

from workers.recall.batch import Batch
from workers.signals.base import Reference, TrainingSet
from workers.signals.hyperplanes import fit_hyperplanes
from workers.signals.linear_signal import LinearSignal
from workers.signals.scores import DenseScores, ProposesNothing, no_context
from workers.signals.sparse_linear import SparseLinear


class ParentScores(ProposesNothing):
    """Scores a category by its parent's score; it proposes nothing, because all siblings score the same."""

    def __init__(self, parents: NDArray[np.int32], scores: DenseScores) -> None:
        """``parents``, int32 (nodes,), maps a root to itself; ``scores`` are those of the parents."""
        self.context = scores.context
        self._parents = parents
        self._scores = scores

    def at(self, products: NDArray[np.int64], categories: NDArray[np.int32]) -> NDArray[np.float32]:
        """Return the score of each pair's parent."""
        return self._scores.at(products, self._parents[categories])


class LinearParent(LinearSignal):
    """A linear model with one hyperplane per parent."""

    name = "linear_parent"
    context_names: tuple[str, ...] = ()

    def __init__(self, reference: Reference, model: SparseLinear) -> None:
        """The classes of ``model`` are parents."""
        super().__init__(reference, model)
        self._parents = _parents(reference)

    def score(self, batch: Batch) -> ParentScores:
        """Score every category whose parent is known."""
        scores = self._weigh(batch, self._features.of(batch)) + self._model.intercepts
        return ParentScores(self._parents, DenseScores(self._model.known, scores, no_context(len(batch))))

    @classmethod
    def fit(cls, training: TrainingSet, reference: Reference) -> Self:
        """Fit the hyperplanes."""
        features = reference.text_features.matrix(training.batch)
        return cls(reference, fit_hyperplanes(features, _parents(reference)[training.labels]))


def _parents(reference: Reference) -> NDArray[np.int32]:
    parents = reference.taxonomy.parents
    return np.where(parents >= 0, parents, np.arange(len(parents))).astype(np.int32)
