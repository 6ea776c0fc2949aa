"""The starting point of the ranker's trees: a weighted sum of a candidate's features.

Trees need many splits to express that several signals together support a candidate; a sum expresses it directly.
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

# Feature values are clipped at this many standard deviations from their mean.
_REACH: Final = 5.0
# Relative to the loss summed over all products; values from 1 to 30 give similar results out of fold.
_REGULARISATION: Final = 10.0
_STEPS: Final = 100
_LEAST_SPREAD: Final = 1e-4


@dataclass(frozen=True, slots=True)
class ConditionalLogit:
    """A margin that is a sum of contributions of f clipped features; all arrays are float32 (f,), ``bias`` (1,).

    A value is clipped to ``low`` and ``high``, multiplied by ``weights`` and shifted by ``offsets``; a NaN
    contributes ``missing``. Each feature's contribution averages 0 over the training data.
    """

    low: NDArray[np.float32]
    high: NDArray[np.float32]
    weights: NDArray[np.float32]
    offsets: NDArray[np.float32]
    missing: NDArray[np.float32]
    bias: NDArray[np.float32]

    def contributions(self, values: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the contribution of each feature and, last, the bias: float32 (m, f + 1) for float32 (m, f)."""
        return np.hstack([self._shares(values), np.broadcast_to(self.bias, (len(values), 1))])

    def margins(self, values: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the margins, float32 (m,), for feature values, float32 (m, f); rows do not affect each other."""
        return self._shares(values).sum(axis=1) + self.bias

    def _shares(self, values: NDArray[np.float32]) -> NDArray[np.float32]:
        if values.shape[1] != len(self.weights):
            raise ValueError(
                f"rows of {values.shape[1]} features for a ranker of {len(self.weights)}; make the bundle anew"
            )
        # Contiguous, because the rounding of a row's sum depends on its memory layout.
        shares = np.clip(np.ascontiguousarray(values), self.low, self.high) * self.weights + self.offsets
        return np.where(np.isnan(shares), self.missing, shares)

    @classmethod
    def fit(
        cls, values: NDArray[np.float32], loss: ChoiceLoss, monotone: tuple[int, ...], share: float = 1.0
    ) -> Self:
        """Fit the weights that minimise ``loss`` for feature values, float32 (m, f), and scale them by ``share``.

        If ``monotone`` is 1 for a feature, a greater value may only raise the margin.
        """
        unknown = np.isnan(values)
        centre, spread = np.array(
            [_moments(values[~unknown[:, feature], feature]) for feature in range(values.shape[1])]
        ).T
        # One copy, changed in place, because the values may take gigabytes.
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
        """Read what :meth:`save` wrote; raises :class:`ValueError` if it does not fit ``features`` features."""
        found = cls(**load_file(file))
        for name, array in asdict(found).items():
            require(f"{file.name}: {name}", array, np.float32, 1 if name == "bias" else features)
        return found


def _moments(known: NDArray[np.float32]) -> tuple[float, float]:
    """Return the mean and the standard deviation, never 0, of a feature's known values, float32 (m,)."""
    if not len(known):
        return 0.0, 1.0
    known = known.astype(np.float64)
    mean, deviation = float(known.mean()), float(known.std())
    # Next to a large mean, float32 cannot resolve smaller deviations.
    return mean, max(deviation, _LEAST_SPREAD * abs(mean)) or 1.0


def _minimise(design: NDArray[np.float32], loss: ChoiceLoss, monotone: tuple[int, ...]) -> NDArray[np.float64]:
    """Return the weights, float64 (columns,), of the design's columns; the features are the first columns."""

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
