"""Signal: a linear classifier that tells only the parents of categories apart.

Parents have many more labelled products than their children, and it knows something even of a child that has none.
Source: top-down hierarchical classification with local classifiers, Silla and Freitas (2011).
"""

from __future__ import annotations

from typing import Self

import numpy as np
from numpy.typing import NDArray

from workers.recall.batch import Batch
from workers.signals.base import Reference, SignalState, TrainingSet
from workers.signals.hyperplanes import fit_hyperplanes
from workers.signals.scores import DenseScores, ProposesNothing, no_context
from workers.signals.sparse_linear import SparseLinear


class ParentScores(ProposesNothing):
    """The score of a category is its parent's; so it proposes none: its children are all alike to it."""

    def __init__(self, parents: NDArray[np.int32], scores: DenseScores) -> None:
        """``parents`` int32 (nodes,), of a root itself; ``scores`` are the parents'."""
        self.context = scores.context
        self._parents = parents
        self._scores = scores

    def at(self, products: NDArray[np.int64], categories: NDArray[np.int32]) -> NDArray[np.float32]:
        """Return the score of each pair's parent."""
        return self._scores.at(products, self._parents[categories])


class LinearParent:
    """One hyperplane a parent."""

    name = "linear_parent"
    context_names: tuple[str, ...] = ()

    def __init__(self, reference: Reference, model: SparseLinear) -> None:
        """``model`` knows parents."""
        self._features = reference.text_features
        self._parents = _parents(reference)
        self._model = model
        self._weigh = reference.linear_models.add(model)

    def score(self, batch: Batch) -> ParentScores:
        """Score every category whose parent is known."""
        scores = self._weigh(batch, self._features.of(batch)) + self._model.intercepts
        return ParentScores(self._parents, DenseScores(self._model.known, scores, no_context(len(batch))))

    @classmethod
    def fit(cls, training: TrainingSet, reference: Reference) -> Self:
        """Fit the hyperplanes."""
        features = reference.text_features.matrix(training.batch)
        return cls(reference, fit_hyperplanes(features, _parents(reference)[training.labels]))

    def state(self) -> SignalState:
        """Return the hyperplanes."""
        return SignalState(self._model.arrays(), {})

    @classmethod
    def restore(cls, state: SignalState, reference: Reference) -> Self:
        """Make the classifier again."""
        return cls(reference, SparseLinear.restore(state.arrays, reference))


def _parents(reference: Reference) -> NDArray[np.int32]:
    parents = reference.taxonomy.parents
    return np.where(parents >= 0, parents, np.arange(len(parents))).astype(np.int32)
