"""Turn margins into probabilities, and probabilities into calibrated confidence."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Final, Self

import numpy as np
from msgspec import Meta
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import expit
from sklearn.isotonic import IsotonicRegression

from workers.ranking.choice import Choices

_DIGITS: Final = 12


@dataclass(frozen=True, slots=True)
class CandidateProbabilities:
    """Maps margins to the probability of each candidate, by :class:`~workers.ranking.choice.Choices`.

    Source: temperature scaling (Guo et al., 2017), here with a constant logit for "none".
    """

    scale: Annotated[float, Meta(gt=0)] = 1.0
    none_logit: float = 0.0

    def __call__(self, margins: NDArray[np.float32], owner: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return the probabilities, float64 (m,); those of one product sum to less than 1."""
        return Choices(owner).probabilities(self.scale * margins.astype(np.float64), self.none_logit)[0]

    @classmethod
    def fit(cls, margins: NDArray[np.float32], relevant: NDArray[np.bool_], owner: NDArray[np.int64]) -> Self:
        """Maximise the likelihood of the right outcome of each product: its relevant candidate, or none."""
        choices, exact = Choices(owner), margins.astype(np.float64)

        def loss(parameters: NDArray[np.float64]) -> float:
            found = choices.probabilities(np.exp(parameters[0]) * exact, float(parameters[1]))
            return float(choices.losses(relevant, *found).sum())

        # From zeros, the method's own first steps are so short that with few products it stops where it started.
        first = np.array([[0, 0], [0.5, 0], [0, 0.5]])
        best = minimize(
            loss,
            first[0],
            method="Nelder-Mead",
            options={"initial_simplex": first, "xatol": 1e-3, "fatol": 1e-2},
        )
        return cls(float(np.exp(best.x[0])), float(best.x[1]))


def own_probability(margins: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return the probability that a candidate is right rather than none, ignoring the others: float64 (m,)."""
    return expit(margins.astype(np.float64))


@dataclass(frozen=True, slots=True)
class Calibrator:
    """Maps a probability to the observed share of right decisions by centred isotonic regression.

    It interpolates between the points ``x`` and ``y`` and increases strictly, except after the last but one, so
    elsewhere it creates no ties. Source: Oron and Flournoy, "Centered Isotonic Regression" (2017).
    """

    x: tuple[float, ...]
    y: tuple[float, ...]

    def __post_init__(self) -> None:
        """Raise :class:`ValueError` if confidence could fall with probability or leave the range 0 to 1."""
        if len(self.x) != len(self.y) or not all(_ascend(points) for points in (self.x, self.y)):
            raise ValueError("a calibrator's points do not ascend, within 0 and 1")

    def __call__(self, probability: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the confidences, float64, in the shape of ``probability``."""
        return np.interp(probability, self.x, self.y)

    @classmethod
    def fit(cls, probability: NDArray[np.float64], right: NDArray[np.bool_]) -> Self:
        """Fit to out-of-fold decisions: their probability (n,) and whether they were right (n,)."""
        if not len(probability):
            return cls((0.0, 1.0), (0.0, 1.0))
        # scikit-learn gets NaN when it interpolates between values that differ only in their last bit.
        probability = np.round(probability, _DIGITS)
        order = np.argsort(probability, kind="stable")
        levels = IsotonicRegression(y_min=0.0, y_max=1.0).fit_transform(probability[order], right[order])
        firsts = np.flatnonzero(np.diff(levels, prepend=-1.0))
        sizes = np.diff(np.append(firsts, len(levels)))
        centres = np.add.reduceat(probability[order], firsts) / sizes
        # A probability of 0 maps to 0, however often the least likely decisions seen were right.
        x = np.concatenate([[0.0], centres, [1.0]])
        y = np.concatenate([[0.0], levels[firsts], [levels[-1]]])
        return cls(tuple(x.tolist()), tuple(y.tolist()))


def _ascend(points: tuple[float, ...]) -> bool:
    """Return whether there are points, all from 0 to 1, and none less than the one before it."""
    return bool(points) and list(points) == sorted(points) and points[0] >= 0 and points[-1] <= 1
