"""Whether confidence is calibrated, and whether it ranks errors last.

All figures take weights of the products, float64 (draws, n), so that a whole bootstrap takes one pass; weights of
1 give the figure of the data itself. Confidence cannot tell products of equal confidence apart, so each of them
gets the mean of its tie. That is the expected value over all orders of the tie, and makes the figures independent
of the order of the file.

Sources: expected calibration error with equal-mass bins, Nguyen and O'Connor (EMNLP 2015), after Naeini et al.
(AAAI 2015); risk-coverage curve and AURC, Geifman and El-Yaniv (NeurIPS 2017); excess AURC, Geifman et al. (ICLR
2019).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, Self

import numpy as np
from numpy.typing import NDArray

from workers.evaluation.numbers import number

BINS: Final = 15
PRECISION: Final = 0.95
_CURVE_POINTS: Final = 200

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Ordered:
    """Products by falling confidence, with ties grouped.

    Attributes:
        order: intp (n,), product indices.
        starts: intp (t,), where each tie starts in ``order``.
        confidence: float64 (t,), the confidence of each tie.
        correct: float64 (n,), in the order of ``order``.
    """

    order: NDArray[np.intp]
    starts: NDArray[np.intp]
    confidence: Floats
    correct: Floats

    @classmethod
    def of(cls, confidence: Floats, correct: NDArray[np.bool_]) -> Self:
        """Order n products, n at least 1."""
        order = np.argsort(-confidence, kind="stable")
        ordered = confidence[order]
        starts = np.flatnonzero(np.diff(ordered, prepend=np.inf))
        return cls(order, starts, ordered[starts], correct[order].astype(np.float64))

    def curve(self, weights: Floats | None = None) -> Curve:
        """Sum up the products with weights (draws, n), which are whole numbers; by default 1 each."""
        weights = np.ones((1, len(self.order))) if weights is None else weights[:, self.order]
        mass = np.add.reduceat(weights, self.starts, axis=1)
        right = np.add.reduceat(weights * self.correct, self.starts, axis=1)
        return Curve(self.confidence, mass, right)


@dataclass(frozen=True, slots=True)
class Curve:
    """The weight of all and of right products in each of t ties, by falling confidence.

    ``mass`` and ``right`` are float64 (draws, t), ``confidence`` is float64 (t,).
    """

    confidence: Floats
    mass: Floats
    right: Floats

    def area_under_risk(self) -> Floats:
        """Return the AURC, float64 (draws,): the mean over k = 1..n of the risk of the k most confident."""
        covered = np.cumsum(self.mass, axis=1)
        wrong = self.mass - self.right
        before = covered - self.mass
        wrong_before = np.cumsum(wrong, axis=1) - wrong
        # In a tie of m products with e wrong, after A products with E wrong, the risk is (E + e j / m) / (A + j)
        # for j = 1..m. Its sum is e + (E - e A / m) (H(A + m) - H(A)), where H are the harmonic numbers.
        total = covered[:, -1]
        harmonic = np.concatenate([[0.0], np.cumsum(1.0 / np.arange(1, round(float(total.max())) + 1))])
        step = harmonic[np.rint(covered).astype(np.int64)] - harmonic[np.rint(before).astype(np.int64)]
        rate = wrong / np.maximum(self.mass, 1.0)
        return (wrong + (wrong_before - rate * before) * step).sum(axis=1) / total

    def coverage_at_precision(self) -> Floats:
        """Return the largest share of most confident products of which 95 % are right, float64 (draws,).

        It is 0 if there is none. The threshold is chosen in hindsight, by an oracle: no stream can promise this
        share.
        """
        covered = np.cumsum(self.mass, axis=1)
        enough = np.cumsum(self.right, axis=1) >= PRECISION * covered - 1e-9
        return np.where(enough, covered, 0.0).max(axis=1) / covered[:, -1]

    def bins(self) -> tuple[Floats, Floats]:
        """Return summed confidence and summed right products in bins of equal mass, float64 (draws, bins).

        The most confident bin comes first. A tie that crosses an edge is split in proportion.
        """
        covered = np.cumsum(self.mass, axis=1)
        total = covered[0, -1]
        edges = np.linspace(0.0, total, min(BINS, max(round(float(total)), 1)) + 1)
        confident, right = (
            np.stack([_at(edges, along, values) for along, values in zip(covered, sums, strict=True)])
            for sums in (np.cumsum(self.mass * self.confidence, axis=1), np.cumsum(self.right, axis=1))
        )
        return np.diff(confident, axis=1), np.diff(right, axis=1)

    def calibration_error(self) -> Floats:
        """Return the expected calibration error, float64 (draws,)."""
        confident, right = self.bins()
        return np.abs(confident - right).sum(axis=1) / self.mass.sum(axis=1)


def _at(edges: Floats, along: Floats, values: Floats) -> Floats:
    return np.interp(edges, np.concatenate([[0.0], along]), np.concatenate([[0.0], values]))


def reliability(confidence: Floats, correct: NDArray[np.bool_]) -> list[dict[str, Any]]:
    """Return the bins of the reliability diagram, the least confident first.

    Each has ``n`` (not a whole number if a tie crosses an edge), mean ``confidence`` and ``accuracy``.
    """
    if not len(confidence):
        return []
    confident, right = (values[0][::-1] for values in Ordered.of(confidence, correct).curve().bins())
    mass = len(confidence) / len(right)
    return [
        {"n": number(mass), "confidence": number(sure / mass), "accuracy": number(good / mass)}
        for sure, good in zip(confident.tolist(), right.tolist(), strict=True)
    ]


def risk_coverage(confidence: Floats, correct: NDArray[np.bool_]) -> list[dict[str, Any]]:
    """Return up to 200 points of the risk-coverage curve, each at the end of a tie, by rising coverage."""
    if not len(confidence):
        return []
    ordered = Ordered.of(confidence, correct)
    curve = ordered.curve()
    covered = np.cumsum(curve.mass[0])
    risk = 1.0 - np.cumsum(curve.right[0]) / covered
    shown = np.unique(np.linspace(0, len(covered) - 1, _CURVE_POINTS).round().astype(np.int64))
    return [
        {
            "coverage": number(covered[point] / covered[-1]),
            "risk": number(risk[point]),
            "confidence": number(curve.confidence[point]),
        }
        for point in shown.tolist()
    ]


def best_possible_area(error_rate: float, count: int) -> float:
    """Return the AURC of a ranking of ``count`` products that puts all errors last, at this error rate."""
    wrong = round(error_rate * count)
    covered = np.arange(count - wrong + 1, count + 1)
    return float(((covered - (count - wrong)) / covered).sum() / count) if count else 0.0
