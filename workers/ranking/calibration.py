"""From margins to probabilities, and from probabilities to confidence that means what it says."""

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
    """What margins say of each candidate, by :class:`~workers.ranking.choice.Choices`.

    Temperature scaling (Guo et al., 2017) with a constant logit for "none".
    """

    scale: Annotated[float, Meta(gt=0)] = 1.0
    none_logit: float = 0.0

    def __call__(self, margins: NDArray[np.float32], owner: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return probabilities, float64 (m,); a product's sum to less than 1."""
        return Choices(owner).probabilities(self.scale * margins.astype(np.float64), self.none_logit)[0]

    @classmethod
    def fit(cls, margins: NDArray[np.float32], relevant: NDArray[np.bool_], owner: NDArray[np.int64]) -> Self:
        """Maximise the likelihood of what is right: the relevant candidate, or none, of each product."""
        choices, exact = Choices(owner), margins.astype(np.float64)

        def loss(parameters: NDArray[np.float64]) -> float:
            found = choices.probabilities(np.exp(parameters[0]) * exact, float(parameters[1]))
            return float(choices.losses(relevant, *found).sum())

        # From zeros its own first steps are so short that on few products it ends where it began.
        first = np.array([[0, 0], [0.5, 0], [0, 0.5]])
        best = minimize(
            loss,
            first[0],
            method="Nelder-Mead",
            options={"initial_simplex": first, "xatol": 1e-3, "fatol": 1e-2},
        )
        return cls(float(np.exp(best.x[0])), float(best.x[1]))


def own_probability(margins: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return the probability that a candidate is right rather than none, the others aside: float64 (m,)."""
    return expit(margins.astype(np.float64))


@dataclass(frozen=True, slots=True)
class Calibrator:
    """Maps a probability to the observed share of right decisions: centred isotonic regression.

    Source: Oron and Flournoy, "Centered Isotonic Regression" (2017). Strictly increasing between its points
    ``x`` and ``y`` but after the last but one, so elsewhere none are tied that were not.
    """

    x: tuple[float, ...]
    y: tuple[float, ...]

    def __post_init__(self) -> None:
        """Raise :class:`ValueError` where confidence could fall or be none."""
        if len(self.x) != len(self.y) or not all(_ascend(points) for points in (self.x, self.y)):
            raise ValueError("a calibrator's points do not ascend, within 0 and 1")

    def __call__(self, probability: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return confidences, float64, of the probabilities' shape."""
        return np.interp(probability, self.x, self.y)

    @classmethod
    def fit(cls, probability: NDArray[np.float64], right: NDArray[np.bool_]) -> Self:
        """Fit to decisions made out of fold: their probability (n,), and whether they were right (n,)."""
        if not len(probability):
            return cls((0.0, 1.0), (0.0, 1.0))
        # scikit-learn interpolates between values that differ in their last bit alone, and finds no number there.
        probability = np.round(probability, _DIGITS)
        order = np.argsort(probability, kind="stable")
        levels = IsotonicRegression(y_min=0.0, y_max=1.0).fit_transform(probability[order], right[order])
        firsts = np.flatnonzero(np.diff(levels, prepend=-1.0))
        sizes = np.diff(np.append(firsts, len(levels)))
        centres = np.add.reduceat(probability[order], firsts) / sizes
        # What is not likely at all is not right, however often the least likely seen were.
        x = np.concatenate([[0.0], centres, [1.0]])
        y = np.concatenate([[0.0], levels[firsts], [levels[-1]]])
        return cls(tuple(x.tolist()), tuple(y.tolist()))


def _ascend(points: tuple[float, ...]) -> bool:
    """Return whether these are some from 0 to 1, none below the one before."""
    return bool(points) and list(points) == sorted(points) and points[0] >= 0 and points[-1] <= 1
