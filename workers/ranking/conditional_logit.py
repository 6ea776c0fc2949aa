"""Where the ranker's trees begin: a weighted sum of a candidate's features.

Trees need many splits to say that several signals together speak for a candidate, which a sum says at once.
Source: conditional logit, McFadden (1974), "Conditional logit analysis of qualitative choice behavior".
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load_file, save_file
from scipy.optimize import minimize

from workers.arrays.stored import require
from workers.ranking.choice import ChoiceLoss

# Of a feature's deviations from its mean, in standard deviations: what lies beyond counts no more.
_REACH: Final = 5.0
# On the sum of the loss of all products; from 1 to 30, figures out of fold are alike.
_REGULARISATION: Final = 10.0
_STEPS: Final = 100
_LEAST_SPREAD: Final = 1e-4


@dataclass(frozen=True, slots=True)
class ConditionalLogit:
    """A margin that is a sum over f features, each of them within bounds; all are float32 (f,), ``bias`` (1,).

    A value counts ``weights`` times itself, held between ``low`` and ``high``, and ``offsets``; where it is NaN,
    ``missing``. Each feature's share is 0 on average over what was learned from.
    """

    low: NDArray[np.float32]
    high: NDArray[np.float32]
    weights: NDArray[np.float32]
    offsets: NDArray[np.float32]
    missing: NDArray[np.float32]
    bias: NDArray[np.float32]

    def contributions(self, values: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return each feature's share of the margin, and the bias: float32 (m, f + 1) of float32 (m, f)."""
        return np.hstack([self._shares(values), np.broadcast_to(self.bias, (len(values), 1))])

    def margins(self, values: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return margins float32 (m,) of feature values float32 (m, f); each depends on its own row alone."""
        return self._shares(values).sum(axis=1) + self.bias

    def _shares(self, values: NDArray[np.float32]) -> NDArray[np.float32]:
        if values.shape[1] != len(self.weights):
            raise ValueError(
                f"rows of {values.shape[1]} features for a ranker of {len(self.weights)}; make the bundle anew"
            )
        # Sums of a row hang on how it lies in memory.
        shares = np.clip(np.ascontiguousarray(values), self.low, self.high) * self.weights + self.offsets
        return np.where(np.isnan(shares), self.missing, shares)

    @classmethod
    def fit(
        cls, values: NDArray[np.float32], loss: ChoiceLoss, monotone: tuple[int, ...], share: float = 1.0
    ) -> Self:
        """Minimise the loss of candidates with the feature values float32 (m, f), and go a share of the way there.

        Where ``monotone`` is 1, a greater value may only raise the margin.
        """
        unknown = np.isnan(values)
        centre, spread = np.array(
            [_moments(values[~unknown[:, place], place]) for place in range(values.shape[1])]
        ).T
        # One copy, in place: there may be gigabytes of them.
        scaled = values - centre.astype(np.float32)
        scaled /= spread.astype(np.float32)
        np.clip(scaled, -_REACH, _REACH, out=scaled)
        scaled[unknown] = 0
        lacking = np.flatnonzero(unknown.any(axis=0))
        design = np.hstack([scaled, unknown[:, lacking], np.ones((len(values), 1))], dtype=np.float32)
        found = share * _minimise(design, loss, monotone) if share else np.zeros(design.shape[1])
        mean = found * (design.mean(axis=0, dtype=np.float64) if len(design) else 0.0)
        features = len(centre)
        weights, missing = found[:features] / spread, np.zeros(features)
        average = mean[:features].copy()
        missing[lacking] = found[features:-1]
        average[lacking] += mean[features:-1]
        arrays = {
            "low": centre - _REACH * spread,
            "high": centre + _REACH * spread,
            "weights": weights,
            "offsets": -weights * centre - average,
            "missing": missing - average,
            "bias": np.atleast_1d(found[-1] + average.sum()),
        }
        return cls(**{name: array.astype(np.float32) for name, array in arrays.items()})

    def save(self, file: Path) -> None:
        """Write the weights as safetensors."""
        save_file(asdict(self), file)

    @classmethod
    def load(cls, file: Path, features: int) -> Self:
        """Read what :meth:`save` wrote for so many features; raises :class:`ValueError` for anything else."""
        found = cls(**load_file(file))
        for name, array in asdict(found).items():
            require(f"{file.name}: {name}", array, np.float32, 1 if name == "bias" else features)
        return found


def _moments(known: NDArray[np.float32]) -> tuple[float, float]:
    """Return the mean of what is known of a feature, float32 (m,), and its standard deviation, never 0."""
    if not len(known):
        return 0.0, 1.0
    known = known.astype(np.float64)
    mean, deviation = float(known.mean()), float(known.std())
    # Beside a large mean, 32 bits cannot tell less.
    return mean, max(deviation, _LEAST_SPREAD * abs(mean)) or 1.0


def _minimise(design: NDArray[np.float32], loss: ChoiceLoss, monotone: tuple[int, ...]) -> NDArray[np.float64]:
    """Return the weights, float64 (columns,), of the columns of a design, the first of which are the features."""

    def regularised(weights: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        total, slopes = loss.total(design @ weights.astype(np.float32))
        slope = design.T @ slopes.astype(np.float32) + _REGULARISATION * weights
        return total + _REGULARISATION / 2 * float(weights @ weights), slope

    columns = design.shape[1]
    least = [0.0 if only_up else None for only_up in monotone] + [None] * (columns - len(monotone))
    bounds = [(low, None) for low in least]
    found: NDArray[np.float64] = minimize(
        regularised,
        np.zeros(columns),
        jac=True,
        method="L-BFGS-B",
        bounds=bounds,
        options={"maxiter": _STEPS},
    ).x
    return found
