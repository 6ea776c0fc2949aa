"""Choose the thresholds for products of new stores, from decisions on stores that were held out.

Stores differ from each other more than the products of a store do. Besides the exact bound on decisions there is
therefore a bound on stores, from the variance of a ratio between clusters (Cochran, "Sampling Techniques", 1977)
and Student's t. It holds for many clusters (Cameron and Miller, "A Practitioner's Guide to Cluster-Robust
Inference", 2015). As in conformal prediction, one more store is counted, all of whose decisions are wrong. If
there are too few stores, a person is asked.

The thresholds are those that kept the budget in stores about which nothing was known. They apply to a store until
ten of its products are labelled; from then on the store counts as known.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.stats import t

from workers.design_effect import lower_tail
from workers.fit.decisions import Accepted, OutOfFoldDecisions
from workers.fit.held_out_stores import FEWEST_STORES
from workers.ranking.error_budget import NEVER, ErrorBudget, levels_to_test
from workers.ranking.new_stores import NewStores
from workers.ranking.policy import LEAST_ASSIGNED

_BELOW: Final = 10
# The first test of a sequence uses this many decisions, as for stores that are known.
_FIRST: Final = 200

ALWAYS_REVIEW: Final = NewStores(_BELOW)
"""Ask a person about all products of new stores, because too little is known about decisions on them."""


def fit_new_stores(decisions: OutOfFoldDecisions, stores: NDArray[np.int64], budget: ErrorBudget) -> NewStores:
    """Return the lowest thresholds that kept the budget in held-out stores.

    ``decisions`` are on products of these stores, and their folds are the turns; ``stores`` int64 (n,) are the
    numbers of the stores. As in :func:`~workers.fit.fit_policy.fit_policy`, backing off is tested together with
    assignments by thresholds that were chosen on the other turns.
    """
    assign = _least_assigned(decisions, stores, budget)
    assigned = np.zeros(len(stores), np.bool_)
    for turn in decisions.by_fold():
        of_others = _least_assigned(decisions.take(~turn), stores[~turn], budget)
        assigned[turn] = decisions.top.probability[turn] >= of_others
    top_level = decisions.levels.probability[~assigned, 0]
    back_off = _lowest(top_level, lambda least: decisions.accepted(assigned, least), stores, budget)
    return NewStores(_BELOW, assign, back_off)


def _least_assigned(decisions: OutOfFoldDecisions, stores: NDArray[np.int64], budget: ErrorBudget) -> float:
    probability = decisions.top.probability

    def assign(least: float) -> Accepted:
        return decisions.accepted(probability >= least, NEVER)

    return max(LEAST_ASSIGNED, _lowest(probability, assign, stores, budget))


def _lowest(
    probability: NDArray[np.float64],
    decide: Callable[[float], Accepted],
    stores: NDArray[np.int64],
    budget: ErrorBudget,
) -> float:
    """Return the last threshold before the first at which accepted decisions are wrong too often, or ``NEVER``.

    Tests begin once decisions on enough stores are accepted, which can be told without labels.
    """
    found = NEVER
    for least in np.unique(levels_to_test(probability, _FIRST))[::-1].tolist():
        made = decide(least)
        of_store = np.bincount(stores[made.accepted])
        if least <= 0 or of_store.sum() ** 2 < FEWEST_STORES * np.square(of_store).sum():
            continue
        if not _keeps(
            budget, of_store, np.bincount(stores[made.wrong], minlength=len(of_store)), made.design_effect
        ):
            break
        found = least
    return found


def _keeps(budget: ErrorBudget, accepted: NDArray[np.intp], wrong: NDArray[np.intp], effect: float) -> bool:
    """Return whether wrong decisions keep the budget; the arguments count each store's decisions, int (s,)."""
    if lower_tail(wrong.sum(), accepted.sum(), budget.max_error, effect) > budget.risk:
        return False
    mean = accepted[accepted > 0].mean()
    accepted, wrong = np.append(accepted[accepted > 0], mean), np.append(wrong[accepted > 0], mean)
    count, total = len(accepted), accepted.sum()
    share = wrong.sum() / total
    error = np.sqrt(count / (count - 1) * np.square(wrong - share * accepted).sum()) / total
    return bool(share + t.ppf(1 - budget.risk, count - 1) * error <= budget.max_error)
