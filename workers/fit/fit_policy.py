"""Choose the thresholds of a policy by an error budget, on decisions made out of fold.

What they promise, each with a probability of ``1 - risk`` (:mod:`workers.ranking.error_budget`):

1. of all that is assigned at most ``max_error`` is wrong;
2. likewise under each top-level category, and of products of new brands, where the share of errors observed
   would let 1,000 or more be assigned. With fewer that share has to do. With less than 200 products nothing is
   asked of a category by itself; but of new brands the bound then, which so few seldom pass;
3. likewise of all that is assigned or backed off, as far as it goes.

What becomes of products of new stores is settled before (:mod:`workers.fit.fit_new_stores`), and counts in each.
The threshold of new brands is chosen first: products of them are few where a fit learns, and a feed may bring
nothing else. To have so few reviewed costs little. Then come those of single top-level categories, each in a
sequence of its own. Then the threshold of all others goes down until all assignments together fail their test, so
that what the strict ones leave of the budget is used. Last, backing off goes on until it fails with them.

A promise must not be tested on decisions that shaped what is tested. So in each test the products of a fold are
held to the stricter thresholds that the other folds chose, and in the third they are assigned by thresholds of the
other folds alone: as their probabilities are by a ranker that the other folds taught. That the errors observed say
which categories are bounded adds no risk: each has its own sequence, which is the same where it is not asked.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from workers.fit.decisions import Decisions
from workers.ranking.error_budget import (
    NEVER,
    ErrorBudget,
    levels_to_test,
    lowest_passing,
    threshold,
    threshold_observed,
)
from workers.ranking.new_stores import NewStores
from workers.ranking.policy import LEAST_ASSIGNED, Policy

# With fewer assignments, the bound would send to review several times as many right ones as wrong ones.
_ENOUGH_TO_BOUND: Final = 1_000
# With fewer products, the share observed tells too little.
_ENOUGH_TO_OBSERVE: Final = 200


def fit_policy(decisions: Decisions, new_stores: NewStores, budget: ErrorBudget) -> Policy:
    """Return the policy that assigns and backs off most within the budget; it reports nothing beside."""
    whole = len(decisions.folds)
    settled, assign_new_brands = decisions.settled(new_stores), 0.0
    if _name_brands(decisions):
        new_brand = decisions.labelled.new_brand & ~new_stores.covers(decisions.labelled)
        assign_new_brands = _of_new_brands(settled.take(new_brand), 1, budget)
        settled = _hold_back(settled, new_brand, budget)
    assigned = np.zeros(whole, np.bool_)
    for held_out in settled.by_fold():
        of_others = _fit_assignments(settled.take(~held_out), whole, budget)
        assigned[held_out] = settled.take(held_out).assigned(of_others)
    return replace(
        _fit_assignments(settled, whole, budget),
        assign_new_brands=assign_new_brands,
        back_off=_fit_back_off(settled, assigned, budget),
        new_stores=new_stores,
    )


def _name_brands(decisions: Decisions) -> bool:
    """Return whether most products name a brand: else brands say nothing of what is new."""
    brand = decisions.labelled.brand
    return bool(2 * np.count_nonzero(~np.isnan(brand)) > len(brand))


def _hold_back(decisions: Decisions, new_brand: NDArray[np.bool_], budget: ErrorBudget) -> Decisions:
    """Return them with nothing to assign of new brands below the threshold that the other folds chose."""
    probability = decisions.top.probability.copy()
    for held_out in decisions.by_fold():
        least = _of_new_brands(decisions.take(new_brand & ~held_out), 1 - float(held_out.mean()), budget)
        probability[held_out & new_brand & (probability < least)] = 0.0
    return replace(decisions, top=replace(decisions.top, probability=probability))


def _fit_assignments(decisions: Decisions, whole: int, budget: ErrorBudget) -> Policy:
    """Return a policy that never backs off; ``whole`` is how many products there are with those held out."""
    probability = decisions.top.probability
    score = np.zeros(len(probability))
    for held_out in decisions.by_fold():
        under = _stricter(decisions.take(~held_out), whole, budget)
        allowed = decisions.take(held_out).assigned(Policy(LEAST_ASSIGNED, NEVER, under))
        score[held_out] = np.where(allowed, probability[held_out], 0.0)
    least = threshold(score, decisions.right, budget)
    under = {root: own for root, own in _stricter(decisions, whole, budget).items() if own > least}
    return Policy(least, NEVER, under)


def _stricter(decisions: Decisions, whole: int, budget: ErrorBudget) -> dict[int, float]:
    """Return the threshold of each top-level category that has enough products."""
    share = len(decisions.folds) / max(whole, 1)
    found = {}
    for root in np.unique(decisions.roots).tolist():
        own = decisions.take(decisions.roots == root)
        if len(own.folds) >= _ENOUGH_TO_OBSERVE * share:
            found[root] = _own_threshold(own, share, budget)
    return found


def _of_new_brands(decisions: Decisions, share: float, budget: ErrorBudget) -> float:
    """Return from which probability on these decisions, of new brands alone, keep the budget, or ``NEVER``."""
    if len(decisions.folds) >= _ENOUGH_TO_OBSERVE * share:
        return _own_threshold(decisions, share, budget)
    return max(threshold(decisions.top.probability, decisions.right, budget), LEAST_ASSIGNED)


def _own_threshold(decisions: Decisions, share: float, budget: ErrorBudget) -> float:
    """Return the threshold, at least ``LEAST_ASSIGNED``, of a part of the ``share`` that is not held out."""
    probability, right = decisions.top.probability, decisions.right
    least = threshold_observed(probability, right, budget.max_error)
    if (probability >= least).sum() >= _ENOUGH_TO_BOUND * share:
        least = threshold(probability, right, budget)
    return max(least, LEAST_ASSIGNED)


def _fit_back_off(decisions: Decisions, assigned: NDArray[np.bool_], budget: ErrorBudget) -> float:
    """Return the threshold of backing off for the products that are not ``assigned`` bool (n,)."""
    left = decisions.take(~assigned)
    right = left.levels.category == left.truth
    top_level = left.levels.probability[:, 0]
    # A top-level category is right more often than this says: the first of these make room for the others.
    thresholds = levels_to_test(top_level, int((top_level >= 1 - 3 * budget.max_error).sum()))
    accepted = np.full(len(thresholds), assigned.sum())
    wrong = np.full(len(thresholds), (assigned & ~decisions.right).sum())
    for place, least in enumerate(thresholds.tolist()):
        level = Policy(NEVER, least).level(left.levels)
        backed_off = np.flatnonzero(level >= 0)
        accepted[place] += len(backed_off)
        wrong[place] += (~right[backed_off, level[backed_off]]).sum()
    return lowest_passing(thresholds, accepted, wrong, budget)
