"""Bootstrap intervals: how far a figure may be off because of which products happened to be measured.

Source: the percentile bootstrap, Efron and Tibshirani, "An Introduction to the Bootstrap" (1993), chapter 13; for
the calibration error, which noise in its bins makes too large, and each draw once more, the basic bootstrap,
Davison and Hinkley, "Bootstrap Methods and their Application" (1997), section 5.2. A share of 0 or 1 is the same
in every draw, however few the products: its interval is Clopper and Pearson's (1934), of near-duplicates counted
once.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator
from typing import Final

import numpy as np
from numpy.typing import NDArray

from workers.evaluation.categories import macro_f1
from workers.evaluation.confidence import Ordered
from workers.evaluation.numbers import number
from workers.evaluation.outcomes import ProductOutcomes
from workers.evaluation.per_product import ProductFacts, product_facts, product_ratios

DRAWS: Final = 1_000
LEVEL: Final = 0.95
# The weights of 2 million products take 16 MB, and one pass needs a few arrays of that size.
_WEIGHTS_AT_ONCE: Final = 2_000_000

Floats = NDArray[np.float64]
Interval = tuple[float | None, float | None]


def draw_weights(groups: NDArray[np.int64], draws: int = DRAWS, seed: int = 0) -> Iterator[Floats]:
    """Yield how often each of n products is drawn, with replacement: float64 (some draws, n).

    ``groups`` int64 (n,), numbered from 0, are drawn as a whole. Near-duplicates fail together, so they are not
    independent observations: this is the cluster bootstrap (Davison and Hinkley, "Bootstrap Methods and their
    Application", 1997, section 3.8). The draws depend only on the groups and ``seed``, so two bundles measured on
    the same products can be compared draw by draw.
    """
    random = np.random.default_rng(seed)
    count = int(groups.max(initial=-1)) + 1
    at_once = max(1, _WEIGHTS_AT_ONCE // max(len(groups), 1))
    for start in range(0, draws, at_once):
        size = min(at_once, draws - start)
        drawn = random.integers(count, size=(size, count)) + np.arange(size)[:, None] * count
        times = np.bincount(drawn.ravel(), minlength=size * count).reshape(size, count)
        yield times[:, groups].astype(np.float64)


def _sample_figures(outcomes: ProductOutcomes, facts: ProductFacts, drawn: Iterable[Floats]) -> dict[str, Floats]:
    """Return each headline figure in every draw, float64 (draws,), NaN if it cannot be computed."""
    ratios = product_ratios(outcomes, facts)
    columns = np.stack([column for pair in ratios.values() for column in pair], axis=1)
    ordered = Ordered.of(outcomes.confidence, facts.exact)
    parts: dict[str, list[Floats]] = {}
    for weights in drawn:
        sums = weights @ columns
        with np.errstate(divide="ignore", invalid="ignore"):
            found = dict(zip(ratios, (sums[:, 0::2] / sums[:, 1::2]).T, strict=True))
        curve = ordered.curve(weights)
        found["macro_f1"] = macro_f1(outcomes, weights)
        found["expected_calibration_error"] = curve.calibration_error()
        found["aurc"] = curve.area_under_risk()
        found["coverage_at_95_precision"] = curve.coverage_at_precision()
        for key, values in found.items():
            parts.setdefault(key, []).append(values)
    return {key: np.concatenate(values) for key, values in parts.items()}


def intervals(
    outcomes: ProductOutcomes,
    draws: int = DRAWS,
    seed: int = 0,
    facts: ProductFacts | None = None,
    groups: NDArray[np.int64] | None = None,
) -> dict[str, Interval]:
    """Return the 95 % interval (low, high) of each headline figure, by key.

    Both are ``None`` if the figure cannot be computed in any draw. ``groups`` int64 (n,) are those of
    :func:`draw_weights`; by default each product is drawn separately.
    """
    if not len(outcomes):
        return {}
    facts = facts or product_facts(outcomes)
    groups = np.arange(len(outcomes)) if groups is None else groups
    tail = (1.0 - LEVEL) / 2.0
    found = {}
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="All-NaN slice", category=RuntimeWarning)
        for key, values in _sample_figures(outcomes, facts, draw_weights(groups, draws, seed)).items():
            low, high = np.nanquantile(values, [tail, 1.0 - tail])
            if key == "expected_calibration_error":
                curve = Ordered.of(outcomes.confidence, facts.exact).curve()
                low, high = _reflected(float(curve.calibration_error()[0]), low, high)
            found[key] = (number(low), number(high))
    for key, (top, bottom) in product_ratios(outcomes, facts).items():
        if key != "also_per_product" and bottom.any() and (not top.any() or (top == bottom).all()):
            least = tail ** (1.0 / len(np.unique(groups[bottom > 0])))
            found[key] = (number(least), 1.0) if top.any() else (0.0, number(1.0 - least))
    return found


def _reflected(point: float, low: float, high: float) -> Interval:
    """Return the basic interval of a share: draws deviate from the figure as the figure does from the truth."""
    return max(0.0, min(point, 2 * point - high)), min(1.0, max(point, 2 * point - low))
