"""How sure to be in stores that the model knows little of, by what became of decisions in stores held out.

Stores differ more than their products do. So besides the exact bound on decisions there is one on stores, by the
variance of a ratio between clusters (Cochran, "Sampling Techniques", 1977) and Student's t. It needs more clusters
than 20 to 50 (Cameron and Miller, "A Practitioner's Guide to Cluster-Robust Inference", 2015). With fewer, a
person is asked about what little-known stores sell.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binom, t

from workers.fit.decisions import Decisions
from workers.fit.held_out_stores import FEWEST_STORES
from workers.ranking.error_budget import NEVER, ErrorBudget, levels_to_test
from workers.ranking.policy import LEAST_ASSIGNED, Policy
from workers.ranking.store_thresholds import StoreThresholds

_BELOW: Final = (1, 10)
# With fewer decisions those on products of stores still less known tell more.
_ENOUGH: Final = 200

_Mask = NDArray[np.bool_]


def unmet_store_thresholds(labelled: NDArray[np.float32]) -> StoreThresholds:
    """Return thresholds that nothing meets; nothing is asked where half of the products or more name no store.

    ``labelled`` float32 (n,) is NaN for these.
    """
    if 2 * np.isfinite(labelled).sum() <= len(labelled):
        return StoreThresholds()
    return StoreThresholds(_BELOW, (NEVER,) * len(_BELOW), (NEVER,) * len(_BELOW))


def fit_store_thresholds(decisions: Decisions, stores: NDArray[np.int64], budget: ErrorBudget) -> StoreThresholds:
    """Return the least thresholds at which decisions on products of stores so little known keep the budget.

    ``stores`` int64 (n,) are the stores held out, by number. What is asked never falls as less is known.
    """
    band = np.searchsorted(_BELOW, decisions.labelled, side="right")
    least = NEVER, NEVER
    found = []
    for each in range(len(_BELOW)):
        chosen = band == each
        if chosen.sum() >= _ENOUGH:
            least = _least(decisions.take(chosen), stores[chosen], budget)
        found.append(least)
    assign, back_off = np.maximum.accumulate(np.array(found)[::-1])[::-1].T.tolist()
    return StoreThresholds(_BELOW, tuple(assign), tuple(back_off))


def _least(decisions: Decisions, stores: NDArray[np.int64], budget: ErrorBudget) -> tuple[float, float]:
    """Return the thresholds of assigning, and of backing off what is not assigned."""
    probability = decisions.top.probability
    right = decisions.levels.category == decisions.truth

    def assigned_at(least: float) -> tuple[_Mask, _Mask]:
        accepted = probability >= least
        return accepted, accepted & ~decisions.right

    def decided_at(least: float) -> tuple[_Mask, _Mask]:
        level = Policy(NEVER, least).level(decisions.levels)
        wrong = np.where(assigned, ~decisions.right, (level >= 0) & ~right[np.arange(len(level)), level])
        return assigned | (level >= 0), wrong

    assign = max(LEAST_ASSIGNED, _lowest(probability, assigned_at, stores, budget))
    assigned = probability >= assign
    return assign, _lowest(decisions.levels.probability[~assigned, 0], decided_at, stores, budget)


def _lowest(
    probability: NDArray[np.float64],
    decide: Callable[[float], tuple[_Mask, _Mask]],
    stores: NDArray[np.int64],
    budget: ErrorBudget,
) -> float:
    """Return the last threshold before the first at which what is accepted is wrong too often, or ``NEVER``."""
    found = NEVER
    for least in levels_to_test(probability, _ENOUGH).tolist():
        accepted, wrong = decide(least)
        if least <= 0 or not _keeps(budget, np.bincount(stores[accepted]), np.bincount(stores[wrong])):
            break
        found = least
    return found


def _keeps(budget: ErrorBudget, accepted: NDArray[np.intp], wrong: NDArray[np.intp]) -> bool:
    """Return whether the share of wrong decisions keeps the budget, by how many there are of each store."""
    wrong = np.pad(wrong, (0, len(accepted) - len(wrong)))[accepted > 0]
    accepted = accepted[accepted > 0]
    count, total = len(accepted), accepted.sum()
    if count < FEWEST_STORES or binom.cdf(wrong.sum(), total, budget.max_error) > budget.risk:
        return False
    share = wrong.sum() / total
    error = np.sqrt(count / (count - 1) * np.square(wrong - share * accepted).sum()) / total
    return bool(share + t.ppf(1 - budget.risk, count - 1) * error <= budget.max_error)
