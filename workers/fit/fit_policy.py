"""Choose the thresholds of a policy by an error budget, on decisions made out of fold.

What they promise, each with a probability of ``1 - risk`` (:mod:`workers.ranking.error_budget`):

1. of all that is assigned at most ``max_error`` is wrong;
2. likewise under each top-level category, and of products of new brands, where the share of errors observed
   would let 1,000 or more be assigned. With fewer that share has to do. With less than 200 products nothing is
   asked of a category by itself; but of new brands that all which are likely right pass the bound at once;
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
    settled = _judged_by_brand(decisions, new_stores).settled(new_stores)
    assigned = np.zeros(whole, np.bool_)
    for held_out in settled.by_fold():
        of_others = _fit_assignments(settled.take(~held_out), whole, budget)
        assigned[held_out] = settled.take(held_out).assigned(of_others)
    policy = _fit_assignments(settled, whole, budget)
    return replace(policy, back_off=_fit_back_off(settled, assigned, budget), new_stores=new_stores)


def _judged_by_brand(decisions: Decisions, new_stores: NewStores) -> Decisions:
    """Return them without the brands of products that are not judged by these.

    Those of new stores are judged by their stores. Where most name no brand, a brand says nothing of what is new.
    """
    labelled = decisions.labelled
    named = ~np.isnan(labelled.brand)
    judged = named & ~new_stores.covers(labelled) & (2 * np.count_nonzero(named) > len(named))
    brand = np.where(judged, labelled.brand, np.float32(np.nan))
    return replace(decisions, labelled=labelled._replace(brand=brand))


def _fit_assignments(decisions: Decisions, whole: int, budget: ErrorBudget) -> Policy:
    """Return a policy that never backs off; ``whole`` is how many products there are with those held out."""
    probability = decisions.top.probability
    score = np.zeros(len(probability))
    for held_out in decisions.by_fold():
        allowed = decisions.take(held_out).assigned(_strictest(decisions.take(~held_out), whole, budget))
        score[held_out] = np.where(allowed, probability[held_out], 0.0)
    least = threshold(score, decisions.right, decisions.groups, budget)
    strictest = _strictest(decisions, whole, budget)
    under = {root: own for root, own in strictest.assign_under.items() if own > least}
    return replace(strictest, assign=least, assign_under=under)


def _strictest(decisions: Decisions, whole: int, budget: ErrorBudget) -> Policy:
    """Return a policy that assigns whatever single categories and new brands by themselves allow."""
    share = len(decisions.folds) / max(whole, 1)
    held_back = decisions.top.probability.copy()
    for held_out in decisions.by_fold():
        part = share * (1 - float(held_out.mean()))
        least = _of_new_brands(decisions.take(~held_out), part, budget)
        held_back[held_out & decisions.labelled.new_brand & (held_back < least)] = 0.0
    under = _of_roots(replace(decisions, top=replace(decisions.top, probability=held_back)), share, budget)
    return Policy(LEAST_ASSIGNED, NEVER, under, _of_new_brands(decisions, share, budget))


def _of_roots(decisions: Decisions, share: float, budget: ErrorBudget) -> dict[int, float]:
    """Return the threshold of each top-level category that has enough products."""
    found = {}
    for root in np.unique(decisions.roots).tolist():
        own = decisions.take(decisions.roots == root)
        if len(own.folds) >= _ENOUGH_TO_OBSERVE * share:
            found[root] = _own_threshold(own, share, budget)
    return found


def _of_new_brands(decisions: Decisions, share: float, budget: ErrorBudget) -> float:
    """Return the threshold of new brands, ``NEVER`` where too little is known of them, 0 where no brand counts."""
    if np.isnan(decisions.labelled.brand).all():
        return 0.0
    own = decisions.take(decisions.labelled.new_brand)
    if len(own.folds) >= _ENOUGH_TO_OBSERVE * share:
        return _own_threshold(own, share, budget)
    # All at once are tested, so without those that are assigned in no case.
    own = own.take(own.top.probability >= LEAST_ASSIGNED)
    return max(threshold(own.top.probability, own.right, own.groups, budget), LEAST_ASSIGNED)


def _own_threshold(decisions: Decisions, share: float, budget: ErrorBudget) -> float:
    """Return the threshold, at least ``LEAST_ASSIGNED``, of a part of the ``share`` that is not held out."""
    probability, right = decisions.top.probability, decisions.right
    least = threshold_observed(probability, right, budget.max_error)
    if (probability >= least).sum() >= _ENOUGH_TO_BOUND * share:
        least = threshold(probability, right, decisions.groups, budget)
    return max(least, LEAST_ASSIGNED)


def _fit_back_off(decisions: Decisions, assigned: NDArray[np.bool_], budget: ErrorBudget) -> float:
    """Return the threshold of backing off for the products that are not ``assigned`` bool (n,)."""
    top_level = decisions.levels.probability[~assigned, 0]
    # A top-level category is right more often than this says: the first of these make room for the others.
    thresholds = levels_to_test(top_level, int((top_level >= 1 - 3 * budget.max_error).sum()))
    found = [decisions.accepted(assigned, least) for least in thresholds.tolist()]
    return lowest_passing(
        thresholds,
        np.array([np.count_nonzero(each.accepted) for each in found], np.int64),
        np.array([np.count_nonzero(each.wrong) for each in found], np.int64),
        np.array([each.design_effect for each in found]),
        budget,
    )
