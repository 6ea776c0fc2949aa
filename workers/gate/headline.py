"""The headline metrics of one model as functions of the products' weights, so that they can be bootstrapped.

With weights of 1 they equal those of :mod:`workers.evaluation`. Bootstrap draws of whole groups differ in size, so
the calibration error keeps the bins of all products, and the weights only change how much each product counts in
them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

from workers.evaluation.categories import macro_f1
from workers.evaluation.confidence import BINS, Ordered
from workers.evaluation.outcomes import ProductOutcomes
from workers.evaluation.per_product import product_ratios

Floats = NDArray[np.float64]

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
        outcomes: the outcomes that the rest is computed from.
        right: bool (n,), whether the likeliest category is the label.
        numerators, denominators: float64 (n, 8), of the metrics that are ratios of sums, in the order of RATIOS.
        gaps: float64 (n, 15), confidence minus ``right``, spread over the bins of confidence.
        ordered: products from the most to the least confident, with ties.
    """

    outcomes: ProductOutcomes
    right: NDArray[np.bool_]
    numerators: Floats
    denominators: Floats
    gaps: Floats
    ordered: Ordered

    @classmethod
    def of(cls, outcomes: ProductOutcomes) -> Self:
        """Prepare the outcomes of n products, n at least 1."""
        right = outcomes.ranked[:, 0] == outcomes.labels
        ratios = product_ratios(outcomes)
        ordered = Ordered.of(outcomes.confidence, right)
        return cls(
            outcomes=outcomes,
            right=right,
            numerators=np.column_stack([ratios[name][0] for name in RATIOS]),
            denominators=np.column_stack([ratios[name][1] for name in RATIOS]),
            gaps=_bin_shares(ordered) * (outcomes.confidence - right)[:, None],
            ordered=ordered,
        )

    def values(self, weights: Floats) -> Floats:
        """Return the metrics, float64 (b, 11), for b weightings of the products, float64 (b, n); NaN for 0/0."""
        with np.errstate(invalid="ignore", divide="ignore"):
            ratios = (weights @ self.numerators) / (weights @ self.denominators)
        calibration = np.abs(weights @ self.gaps).sum(axis=1) / weights.sum(axis=1)
        area = self.ordered.curve(weights).area_under_risk()
        return np.column_stack([ratios, macro_f1(self.outcomes, weights), calibration, area])


def _bin_shares(ordered: Ordered) -> Floats:
    """Return each product's share in each of 15 bins of equal mass, float64 (n, 15); ties are split evenly."""
    count = len(ordered.order)
    edges = np.linspace(0.0, count, min(BINS, count) + 1)
    lengths = np.diff(ordered.starts, append=count)
    start, stop = ordered.starts[:, None], (ordered.starts + lengths)[:, None]
    inside = np.clip(np.minimum(stop, edges[1:]) - np.maximum(start, edges[:-1]), 0.0, None)
    shares = np.empty((count, len(edges) - 1))
    shares[ordered.order] = np.repeat(inside / lengths[:, None], lengths, axis=0)
    return shares
