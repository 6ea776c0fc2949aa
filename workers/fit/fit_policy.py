"""Choose the thresholds of a policy by an error budget, on decisions made out of fold.

What they promise, each with a probability of ``1 - risk`` (:mod:`workers.ranking.error_budget`):

1. of all that is assigned at most ``max_error`` is wrong;
2. likewise under each top-level category where the share of errors observed would let 1,000 or more be
   assigned. With fewer that share has to do, and with less than 200 products nothing is asked of a category by
   itself;
3. likewise of all that is assigned or backed off, as far as it goes.

What becomes of products of new stores is settled before (:mod:`workers.fit.fit_new_stores`), and counts in each.
The thresholds of single top-level categories are chosen first, each in a sequence of its own. Then the
threshold of all others goes down until all assignments together fail their test, so that what the strict
categories leave of the budget is used. Last, backing off goes on until it fails with them.

A promise must not be tested on decisions that shaped what is tested. So in the second test the products of a
fold are held to stricter thresholds of single categories that the other folds chose, and in the third they are
assigned by thresholds of the other folds alone: as their probabilities are by a ranker that the other folds
taught. That the errors observed say which categories are bounded adds no risk: each has its own sequence, which
is the same where it is not asked.
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
from workers.ranking.policy import LEAST_ASSIGNED, Policy

# With fewer assignments, the bound would send to review several times as many right ones as wrong ones.
_ENOUGH_TO_BOUND: Final = 1_000
# With fewer products, the share observed tells too little.
_ENOUGH_TO_OBSERVE: Final = 200


def fit_policy(decisions: Decisions, budget: ErrorBudget) -> Policy:
    """Return the policy that assigns and backs off most within the budget; it reports nothing beside."""
    whole = len(decisions.folds)
    assigned = np.zeros(whole, np.bool_)
    for held_out in decisions.by_fold():
        of_others = _fit_assignments(decisions.take(~held_out), whole, budget)
        assigned[held_out] = decisions.take(held_out).assigned(of_others)
    policy = _fit_assignments(decisions, whole, budget)
    return replace(policy, back_off=_fit_back_off(decisions, assigned, budget))


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
    """Return the threshold, at least ``LEAST_ASSIGNED``, of each top-level category that has enough products."""
    share = len(decisions.folds) / max(whole, 1)
    found = {}
    for root in np.unique(decisions.roots).tolist():
        own = decisions.take(decisions.roots == root)
        probability, right = own.top.probability, own.right
        if len(right) < _ENOUGH_TO_OBSERVE * share:
            continue
        least = threshold_observed(probability, right, budget.max_error)
        if (probability >= least).sum() >= _ENOUGH_TO_BOUND * share:
            least = threshold(probability, right, budget)
        found[root] = max(least, LEAST_ASSIGNED)
    return found


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
