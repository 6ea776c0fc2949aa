"""Figures with bootstrap intervals, for one method and for the difference of two on the same products."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from tests.benchmarks.quality.store import PerProduct
from workers.evaluation.bootstrap import draw_weights
from workers.evaluation.confidence import Ordered

FIGURES: Final = ("exact", "top3", "coverage", "precision", "oracle_coverage", "aurc", "calibration_error")
"""The figures of a method.

- exact, top3: the share of products whose label is the likeliest category, or among the three likeliest
- coverage, precision: the share whose confidence is above the threshold that kept 95 % precision out of fold, and
  the share of these that is right
- oracle_coverage: the largest share that could be assigned at 95 % precision, with the best threshold in hindsight
- aurc: the area under the risk-coverage curve
- calibration_error: the expected calibration error, in 15 bins of equal mass
"""


@dataclass(frozen=True, slots=True)
class Estimate:
    """A value and its 95 % interval."""

    value: float
    low: float
    high: float


def estimate(seeds: Sequence[PerProduct]) -> dict[str, Estimate]:
    """Return each figure's mean over the seeds' test sides, with a bootstrap interval over products."""
    points, draws = _sample(seeds)
    return {name: _interval(points[:, place], draws[:, :, place]) for place, name in enumerate(FIGURES)}


def compare(ours: Sequence[PerProduct], theirs: Sequence[PerProduct]) -> dict[str, Estimate]:
    """Return each figure's difference, ours minus theirs, by a paired bootstrap over the same products.

    ``aurc_relative`` is the ratio of the areas minus one. Raises :class:`ValueError` if the products differ.
    """
    for mine, other in zip(ours, theirs, strict=True):
        if not np.array_equal(mine.labels, other.labels):
            raise ValueError("the two were not tried on the same products; run both again")
    points, draws = _sample(ours)
    their_points, their_draws = _sample(theirs)
    found = {
        name: _interval((points - their_points)[:, place], (draws - their_draws)[:, :, place])
        for place, name in enumerate(FIGURES)
    }
    area = FIGURES.index("aurc")
    ratio = points[:, area].mean() / max(their_points[:, area].mean(), 1e-12) - 1
    ratios = draws[:, :, area].mean(axis=0) / np.maximum(their_draws[:, :, area].mean(axis=0), 1e-12) - 1
    return found | {"aurc_relative": Estimate(float(ratio), *np.quantile(ratios, [0.025, 0.975]).tolist())}


def _interval(points: NDArray[np.float64], draws: NDArray[np.float64]) -> Estimate:
    low, high = (
        np.nanquantile(draws.mean(axis=0), [0.025, 0.975]) if np.isfinite(draws).any() else (np.nan, np.nan)
    )
    return Estimate(float(points.mean()), float(low), float(high))


def _sample(seeds: Sequence[PerProduct]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the figures of each seed, float64 (seeds, figures), and of each draw, (seeds, draws, figures).

    The draws depend only on the number of products and the position of the seed, so that two methods get the same
    ones.
    """
    points, draws = [], []
    for place, products in enumerate(seeds):
        count = len(products.labels)
        points.append(_figures(products, np.ones((1, count)))[0])
        drawn = draw_weights(np.arange(count), seed=place)
        draws.append(np.concatenate([_figures(products, weights) for weights in drawn]))
    return np.stack(points), np.stack(draws)


def _figures(products: PerProduct, weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the figures, float64 (draws, figures), with products weighted by ``weights`` (draws, n)."""
    total = weights.sum(axis=1)
    among_three = (products.ranked[:, :3] == products.labels[:, None]).any(axis=1)
    assigned = weights @ products.assigned
    with np.errstate(divide="ignore", invalid="ignore"):
        precision = (weights @ (products.assigned & products.correct)) / assigned
    curve = Ordered.of(products.confidence, products.correct).curve(weights)
    columns = [
        weights @ products.correct / total,
        weights @ among_three / total,
        assigned / total,
        precision,
        curve.coverage_at_precision(),
        curve.area_under_risk(),
        curve.calibration_error(),
    ]
    return np.stack(columns, axis=1)
