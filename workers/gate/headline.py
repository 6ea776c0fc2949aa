"""The headline metrics of one model as functions of the products' weights, so that they can be resampled."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from schemas.events.batch import Outcome
from schemas.taxonomy.tree import Taxonomy
from workers.evaluation.outcomes import ProductOutcomes

Floats = NDArray[np.float64]

RECALL_PLACES: Final = 30
BINS: Final = 15
RATIOS: Final = (
    "exact_accuracy",
    "top3_accuracy",
    "hierarchical_f1",
    "recall_at_30",
    "coverage",
    "precision_assigned",
    "usable_coverage",
    "hierarchical_precision_usable",
)
LOWER_IS_BETTER: Final = ("expected_calibration_error", "aurc")
HEADLINE: Final = (*RATIOS, "macro_f1", *LOWER_IS_BETTER)
DIRECTION: Final = np.array([-1.0 if name in LOWER_IS_BETTER else 1.0 for name in HEADLINE])
"""1 where higher is better, -1 where lower is; float64, one for each of :data:`HEADLINE`."""


@dataclass(frozen=True, slots=True)
class Headline:
    """What each of n products adds to the metrics.

    Attributes:
        right: bool (n,), the likeliest category is the label.
        numerators, denominators: float64 (n, 8), of the metrics that are ratios of sums, in the order of RATIOS.
        truth, predicted, both: sparse (n, classes with products), each product's label, prediction where it is one
            of them, and label where right.
        calibration: sparse (n, 15), confidence minus right in the product's bin of confidence.
        order: int64 (n,), products from the most to the least confident.
        wrong: float64 (n,), 1 where not right.
    """

    right: NDArray[np.bool_]
    numerators: Floats
    denominators: Floats
    truth: csr_array
    predicted: csr_array
    both: csr_array
    calibration: csr_array
    order: NDArray[np.int64]
    wrong: Floats

    @classmethod
    def of(cls, outcomes: ProductOutcomes) -> Self:
        """Prepare the outcomes of n products."""
        top = outcomes.ranked[:, 0]
        right = (top == outcomes.labels) & (top >= 0)
        numerators, denominators = _ratios(outcomes, right)
        order = np.argsort(-outcomes.confidence, kind="stable")
        bins = np.empty(len(top), np.int64)
        bins[order] = np.arange(len(top)) * BINS // max(1, len(top))
        classes = np.unique(outcomes.labels)
        return cls(
            right=right,
            numerators=numerators,
            denominators=denominators,
            truth=_indicator(outcomes.labels, classes),
            predicted=_indicator(top, classes),
            both=_indicator(np.where(right, top, -1), classes),
            calibration=csr_array(
                (outcomes.confidence - right, (np.arange(len(top)), bins)), shape=(len(top), BINS)
            ),
            order=order,
            wrong=(~right).astype(np.float64),
        )

    def values(self, weights: Floats) -> Floats:
        """Return the metrics, float64 (b, 11), under b weightings of the products, float64 (b, n); NaN for 0/0."""
        with np.errstate(invalid="ignore", divide="ignore"):
            ratios = (weights @ self.numerators) / (weights @ self.denominators)
            total = weights.sum(axis=1)
            gaps = np.abs((self.calibration.T @ weights.T).T).sum(axis=1) / total
            return np.column_stack([ratios, self._macro_f1(weights), gaps, self._aurc(weights) / total])

    def _macro_f1(self, weights: Floats) -> Floats:
        truth, predicted, both = ((part.T @ weights.T).T for part in (self.truth, self.predicted, self.both))
        present = truth > 0
        scores = np.where(present, 2 * both / np.where(present, truth + predicted, 1.0), 0.0)
        return np.asarray(scores.sum(axis=1) / present.sum(axis=1))

    def _aurc(self, weights: Floats) -> Floats:
        ordered = weights[:, self.order]
        accepted = np.cumsum(ordered, axis=1)
        errors = np.cumsum(ordered * self.wrong[self.order], axis=1)
        risk = np.divide(errors, accepted, out=np.zeros_like(errors), where=accepted > 0)
        return np.asarray((ordered * risk).sum(axis=1))


def _ratios(outcomes: ProductOutcomes, right: NDArray[np.bool_]) -> tuple[Floats, Floats]:
    count, tree, labels = len(outcomes), outcomes.taxonomy, outcomes.labels
    assigned = np.array([outcome is Outcome.ASSIGNED for outcome in outcomes.outcome], bool)
    used = outcomes.decided >= 0
    place = np.zeros(count, np.int64) if outcomes.place is None else outcomes.place[:, -1]
    one = np.ones(count)
    top = outcomes.ranked[:, 0]
    shared = shared_depth(tree, top, labels)
    depth = tree.depths[labels].astype(np.int64)
    columns = {
        "exact_accuracy": (right, one),
        "top3_accuracy": ((outcomes.ranked[:, :3] == labels[:, None]).any(axis=1), one),
        "hierarchical_f1": (2 * shared, depth + np.where(top >= 0, tree.depths[top], 0)),
        "recall_at_30": ((place > 0) & (place <= RECALL_PLACES), one),
        "coverage": (assigned, one),
        "precision_assigned": (assigned & (outcomes.decided == labels), assigned),
        "usable_coverage": (used, one),
        "hierarchical_precision_usable": (used & is_prefix(tree, outcomes.decided, labels), used),
    }
    pairs = [columns[name] for name in RATIOS]
    numerators, denominators = (np.column_stack(side).astype(np.float64) for side in zip(*pairs, strict=True))
    return numerators, denominators


def shared_depth(tree: Taxonomy, one: NDArray[np.int32], other: NDArray[np.int32]) -> NDArray[np.int64]:
    """Return how many ancestors two categories share, themselves included, int64 (n,); 0 where one is -1."""
    a, b = tree.ancestor_matrix[one], tree.ancestor_matrix[other]
    return np.asarray(((a == b) & (a >= 0)).sum(axis=1) * ((one >= 0) & (other >= 0)), np.int64)


def is_prefix(tree: Taxonomy, decided: NDArray[np.int32], labels: NDArray[np.int32]) -> NDArray[np.bool_]:
    """Return whether each decided category is its label or an ancestor of it, bool (n,)."""
    return np.asarray((decided >= 0) & (shared_depth(tree, decided, labels) == tree.depths[decided]))


def _indicator(category: NDArray[np.int32], classes: NDArray[np.int32]) -> csr_array:
    rows = np.flatnonzero(np.isin(category, classes))
    columns = np.searchsorted(classes, category[rows])
    return csr_array((np.ones(len(rows)), (rows, columns)), shape=(len(category), len(classes)))
