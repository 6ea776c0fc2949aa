"""Turn a method's scores into confidence and decisions, by its scores for products that it was not fitted on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray
from sklearn.isotonic import IsotonicRegression

from tests.benchmarks.quality.ranked import Ranked, fit_temperature, probabilities
from workers.evaluation.confidence import PRECISION, Ordered

# Too small to change any figure, but enough to keep the order of values that isotonic regression makes equal.
_ORDER: Final = 1e-4
# For cosines: about the value that is fitted when there are labels.
_UNFITTED_TEMPERATURE: Final = 0.05


def risk_coverage_area(confidence: NDArray[np.float64], correct: NDArray[np.bool_]) -> float:
    """Return the area under the risk-coverage curve; see :mod:`workers.evaluation.confidence`."""
    return float(Ordered.of(confidence, correct).curve().area_under_risk()[0])


def threshold_at_precision(
    confidence: NDArray[np.float64], correct: NDArray[np.bool_], precision: float = PRECISION
) -> float:
    """Return the lowest confidence above which the share ``precision`` is correct; inf if there is none."""
    values, tie, sizes = np.unique(-confidence, return_inverse=True, return_counts=True)
    right = np.cumsum(np.bincount(tie, weights=correct)) / np.cumsum(sizes)
    reached = np.flatnonzero(right >= precision)
    return float(-values[reached[-1]]) if len(reached) else float("inf")


@dataclass(frozen=True, slots=True)
class Confidence:
    """Turns scores into the probability that the first category is right.

    Attributes:
        measure: what orders the products: the largest softmax value, or the gap between the two best scores.
        temperature: the temperature of the softmax.
        knots: float64 (k,), rising values of the measure; ``levels``, float64 (k,), are the shares correct there.
        threshold: the confidence from which a category is assigned.
    """

    measure: Literal["softmax", "gap"]
    temperature: float
    knots: NDArray[np.float64]
    levels: NDArray[np.float64]
    threshold: float

    @classmethod
    def fit(cls, ranked: Ranked, labels: NDArray[np.int32]) -> Confidence:
        """Choose the measure with the smaller risk-coverage area, calibrate it and set the threshold.

        ``ranked`` are out-of-fold scores of products with ``labels``, int32 (n,).
        """
        correct = ranked.categories[:, 0] == labels
        temperature = fit_temperature(ranked, labels)
        areas: dict[Literal["softmax", "gap"], float] = {
            "softmax": risk_coverage_area(_measure(ranked, "softmax", temperature), correct),
            "gap": risk_coverage_area(_measure(ranked, "gap", temperature), correct),
        }
        measure: Literal["softmax", "gap"] = "gap" if areas["gap"] < areas["softmax"] else "softmax"
        values = _measure(ranked, measure, temperature)
        isotonic = IsotonicRegression(out_of_bounds="clip").fit(values, correct)
        unset = cls(measure, temperature, isotonic.X_thresholds_, isotonic.y_thresholds_, np.inf)
        confidence = unset(ranked)
        threshold = threshold_at_precision(confidence, correct)
        return cls(measure, temperature, unset.knots, unset.levels, threshold)

    @classmethod
    def unfitted(cls) -> Confidence:
        """Return the confidence without labelled products: it orders products, but none is sure enough."""
        return cls("softmax", _UNFITTED_TEMPERATURE, np.array([0.0, 1.0]), np.array([0.0, 1.0]), np.inf)

    def __call__(self, ranked: Ranked) -> NDArray[np.float64]:
        """Return the confidence, float64 (n,); 0 for products without a category."""
        values = _measure(ranked, self.measure, self.temperature)
        confidence = np.interp(values, self.knots, self.levels)
        confidence = (1 - _ORDER) * confidence + _ORDER * values / (1 + np.abs(values))
        return np.where(ranked.categories[:, 0] >= 0, np.maximum(confidence, 0), 0)


def _measure(ranked: Ranked, measure: str, temperature: float) -> NDArray[np.float64]:
    if measure == "softmax":
        return probabilities(ranked, temperature)[:, 0]
    scores = ranked.scores.astype(np.float64)
    first = np.where(np.isfinite(scores[:, 0]), scores[:, 0], 0)
    second = np.where(np.isfinite(scores[:, 1]), scores[:, 1], first - 10.0)
    return first - second
