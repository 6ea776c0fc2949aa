"""Figures of what was said of products, with bootstrap intervals; and of two methods on the same products."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from tests.benchmarks.quality.confidence import PRECISION
from tests.benchmarks.quality.store import PerProduct

FIGURES: Final = ("exact", "top3", "coverage", "precision", "oracle_coverage", "aurc")
"""What is computed of a method.

- exact, top3: the share of products whose label is the likeliest category, among the three likeliest
- coverage, precision: the share that was assigned, and of these the share that is right
- oracle_coverage: the largest share that could be assigned at 95 % precision, by the best threshold in hindsight
- aurc: the area under the risk-coverage curve
"""

_DRAWS: Final = 1_000
_DRAWS_AT_ONCE: Final = 200


@dataclass(frozen=True, slots=True)
class Estimate:
    """A value and its 95 % interval."""

    value: float
    low: float
    high: float


def estimate(seeds: Sequence[PerProduct]) -> dict[str, Estimate]:
    """Return each figure's mean over the seeds' test sides; the interval is the bootstrap's over products."""
    points, draws = _sample(seeds, _figures)
    return {name: _interval(points[:, place], draws[:, :, place]) for place, name in enumerate(FIGURES)}


def compare(ours: Sequence[PerProduct], theirs: Sequence[PerProduct]) -> dict[str, Estimate]:
    """Return each figure's difference, ours less theirs, by a paired bootstrap: both on the same drawn products.

    ``aurc_relative`` is the ratio of the areas less one. Raises :class:`ValueError` where the products differ.
    """
    for mine, other in zip(ours, theirs, strict=True):
        if not np.array_equal(mine.labels, other.labels):
            raise ValueError("the two were not tried on the same products; run both again")
    points, draws = _sample(ours, _figures)
    their_points, their_draws = _sample(theirs, _figures)
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


def _sample(
    seeds: Sequence[PerProduct], figures: Callable[[PerProduct, NDArray[np.float64]], NDArray[np.float64]]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return figures of each seed, float64 (seeds, figures), and of each draw, (seeds, draws, figures).

    The draws depend on the number of products alone, so that two methods get the same.
    """
    points, draws = [], []
    for place, products in enumerate(seeds):
        count = len(products.labels)
        random = np.random.default_rng([place, count])
        points.append(figures(products, np.ones((1, count)))[0])
        parts = []
        for _ in range(0, _DRAWS, _DRAWS_AT_ONCE):
            drawn = random.multinomial(count, np.full(count, 1 / count), size=_DRAWS_AT_ONCE)
            parts.append(figures(products, drawn.astype(np.float64)))
        draws.append(np.concatenate(parts))
    return np.stack(points), np.stack(draws)


def _figures(products: PerProduct, weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the figures, float64 (draws, figures), with each product counted ``weights`` (draws, n) times."""
    total = weights.sum(axis=1)
    correct = products.correct
    among_three = (products.ranked[:, :3] == products.labels[:, None]).any(axis=1)
    assigned = weights @ products.assigned
    with np.errstate(divide="ignore", invalid="ignore"):
        precision = (weights @ (products.assigned & correct)) / assigned
    oracle, area = _risk_coverage(products, weights)
    columns = [weights @ correct / total, weights @ among_three / total, assigned / total, precision, oracle, area]
    return np.stack(columns, axis=1)


def _risk_coverage(
    products: PerProduct, weights: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the oracle's coverage and the area under the risk-coverage curve, float64 (draws,) both."""
    order = np.argsort(-products.confidence, kind="stable")
    confidence = products.confidence[order]
    weights = weights[:, order]
    errors = np.cumsum(weights * ~products.correct[order], axis=1)
    covered = np.cumsum(weights, axis=1)
    # Equal confidence cannot be told apart: what is reached at the end of a tie holds for all of it.
    end = np.append(np.flatnonzero(np.diff(confidence)), len(confidence) - 1)
    errors, covered = errors[:, end], covered[:, end]
    risk = errors / np.maximum(covered, 1e-12)
    mass = np.diff(covered, axis=1, prepend=0)
    middle = (risk + np.concatenate([risk[:, :1], risk[:, :-1]], axis=1)) / 2
    total = covered[:, -1]
    area = (np.where(mass > 1, middle, risk) * mass).sum(axis=1) / total
    reached = np.where((risk <= 1 - PRECISION) & (covered > 0), covered, 0)
    return reached.max(axis=1) / total, area
