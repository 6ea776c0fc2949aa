"""Choose the thresholds of a policy from an error budget, on out-of-fold decisions.

The thresholds promise the following, each with probability ``1 - risk`` (:mod:`workers.ranking.error_budget`):

1. At most ``max_error`` of all assignments are wrong.
2. The same holds within each top-level category, and for products of new brands, if the threshold at which the
   observed share of errors is within ``max_error`` assigns 1,000 products or more. If it assigns fewer, that
   threshold is used, without a bound. A category with fewer than 200 products gets no threshold of its own; if
   there are fewer than 200 products of new brands, all of them that are likely right must pass the bound at once.
3. At most ``max_error`` of all assignments and back-offs are wrong. A back-off is right if its category is an
   ancestor of the label.

Decisions on products of new stores are made beforehand (:mod:`workers.fit.fit_new_stores`) and count in each
promise.

The threshold for new brands is chosen first: few products of a fit are of new brands, but a feed may bring nothing
else. Sending these few to review costs little. Next come the thresholds of single top-level categories, each in
its own test sequence. Then the threshold for everything else is lowered until the test of all assignments together
fails, so that it uses what the stricter thresholds leave of the budget. Last, back-offs are added until the test
of assignments and back-offs together fails.

A promise must not be tested on decisions that shaped what is tested. So in each test the products of a fold are
held to the stricter thresholds that were chosen on the other folds, and in the third test they are assigned only
by thresholds from the other folds, just as their probabilities come from a ranker fitted on the other folds. The
observed errors decide which categories are bounded. That adds no risk, because each category has its own test
sequence, which is the same whether it is used or not.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from workers.fit.decisions import OutOfFoldDecisions
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

# With fewer assignments, the bound would send several times as many right ones as wrong ones to review.
_ENOUGH_TO_BOUND: Final = 1_000
# With fewer products, the observed share of errors says too little.
_ENOUGH_TO_OBSERVE: Final = 200


def fit_policy(decisions: OutOfFoldDecisions, new_stores: NewStores, budget: ErrorBudget) -> Policy:
    """Return the policy that assigns and backs off most within the budget; it reports no further categories."""
    whole = len(decisions.folds)
    fixed = _judged_by_brand(decisions, new_stores).with_new_stores_fixed(new_stores)
    assigned = np.zeros(whole, np.bool_)
    for held_out in fixed.by_fold():
        of_others = _fit_assignments(fixed.take(~held_out), whole, budget)
        assigned[held_out] = fixed.take(held_out).assigned(of_others)
    policy = _fit_assignments(fixed, whole, budget)
    return replace(policy, back_off=_fit_back_off(fixed, assigned, budget), new_stores=new_stores)


def _judged_by_brand(decisions: OutOfFoldDecisions, new_stores: NewStores) -> OutOfFoldDecisions:
    """Return the decisions without the brands of products that are not to be judged by their brand.

    Products of new stores are judged by their stores. If most products name no brand, brands do not show what is
    new.
    """
    labelled = decisions.labelled
    named = ~np.isnan(labelled.brand)
    judged = named & ~new_stores.covers(labelled) & (2 * np.count_nonzero(named) > len(named))
    brand = np.where(judged, labelled.brand, np.float32(np.nan))
    return replace(decisions, labelled=labelled._replace(brand=brand))


def _fit_assignments(decisions: OutOfFoldDecisions, whole: int, budget: ErrorBudget) -> Policy:
    """Return a policy that never backs off; ``whole`` is the number of products including those held out."""
    probability = decisions.top.probability
    score = np.zeros(len(probability))
    for held_out in decisions.by_fold():
        allowed = decisions.take(held_out).assigned(_strictest(decisions.take(~held_out), whole, budget))
        score[held_out] = np.where(allowed, probability[held_out], 0.0)
    least = threshold(score, decisions.right, decisions.groups, budget)
    strictest = _strictest(decisions, whole, budget)
    under = {root: own for root, own in strictest.assign_under.items() if own > least}
    return replace(strictest, assign=least, assign_under=under)


def _strictest(decisions: OutOfFoldDecisions, whole: int, budget: ErrorBudget) -> Policy:
    """Return a policy that assigns whatever the thresholds of single categories and of new brands allow."""
    share = len(decisions.folds) / max(whole, 1)
    held_back = decisions.top.probability.copy()
    for held_out in decisions.by_fold():
        part = share * (1 - float(held_out.mean()))
        least = _of_new_brands(decisions.take(~held_out), part, budget)
        held_back[held_out & decisions.labelled.new_brand & (held_back < least)] = 0.0
    under = _of_roots(replace(decisions, top=replace(decisions.top, probability=held_back)), share, budget)
    return Policy(LEAST_ASSIGNED, NEVER, under, _of_new_brands(decisions, share, budget))


def _of_roots(decisions: OutOfFoldDecisions, share: float, budget: ErrorBudget) -> dict[int, float]:
    """Return the threshold of each top-level category that has enough products."""
    found = {}
    for root in np.unique(decisions.roots).tolist():
        own = decisions.take(decisions.roots == root)
        if len(own.folds) >= _ENOUGH_TO_OBSERVE * share:
            found[root] = _own_threshold(own, share, budget)
    return found


def _of_new_brands(decisions: OutOfFoldDecisions, share: float, budget: ErrorBudget) -> float:
    """Return the threshold for new brands: ``NEVER`` if too little is known, 0 if brands are not judged at all."""
    if np.isnan(decisions.labelled.brand).all():
        return 0.0
    own = decisions.take(decisions.labelled.new_brand)
    if len(own.folds) >= _ENOUGH_TO_OBSERVE * share:
        return _own_threshold(own, share, budget)
    # All of them are tested at once, so leave out those that would never be assigned.
    own = own.take(own.top.probability >= LEAST_ASSIGNED)
    return max(threshold(own.top.probability, own.right, own.groups, budget), LEAST_ASSIGNED)


def _own_threshold(decisions: OutOfFoldDecisions, share: float, budget: ErrorBudget) -> float:
    """Return a part's own threshold, at least ``LEAST_ASSIGNED``; ``share`` is the share that is not held out."""
    probability, right = decisions.top.probability, decisions.right
    least = threshold_observed(probability, right, budget.max_error)
    if (probability >= least).sum() >= _ENOUGH_TO_BOUND * share:
        least = threshold(probability, right, decisions.groups, budget)
    return max(least, LEAST_ASSIGNED)


def _fit_back_off(decisions: OutOfFoldDecisions, assigned: NDArray[np.bool_], budget: ErrorBudget) -> float:
    """Return the threshold for backing off the products that are not ``assigned`` bool (n,)."""
    top_level = decisions.levels.probability[~assigned, 0]
    # A top-level category is right more often than its probability says, so the first ones leave room for others.
    thresholds = levels_to_test(top_level, int((top_level >= 1 - 3 * budget.max_error).sum()))
    found = [decisions.accepted(assigned, least) for least in thresholds.tolist()]
    return lowest_passing(
        thresholds,
        np.array([np.count_nonzero(each.accepted) for each in found], np.int64),
        np.array([np.count_nonzero(each.wrong) for each in found], np.int64),
        np.array([each.design_effect for each in found]),
        budget,
    )
