"""The figures that a bundle reports about itself, from products that the measured part was not fitted on."""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from workers.evaluation.confidence import Ordered
from workers.fit.decisions import OutOfFoldDecisions
from workers.fit.out_of_fold import OutOfFold
from workers.ranking.error_budget import NEVER
from workers.ranking.policy import Policy
from workers.ranking.ranking import Ranking

_PRECISION: Final = 0.95


def measure_recall(out_of_fold: OutOfFold) -> dict[str, Any]:
    """Return recall of the union and of each signal; nothing where there are no products.

    ``None`` is of a signal that proposed no candidate at all: it only tells apart what others propose, or had
    nothing to go by.
    """
    count = len(out_of_fold.labels)
    if not count:
        return {}
    relevant = out_of_fold.relevant
    owner = out_of_fold.candidates.product_of_row
    proposed = out_of_fold.candidates.proposed
    return {
        "recall_of_union": round(len(np.unique(owner[relevant])) / count, 4),
        "recall_of_signal": {
            signal: round(float(proposed[relevant, column].sum()) / count, 4)
            if proposed[:, column].any()
            else None
            for column, signal in enumerate(out_of_fold.candidates.signals)
        },
        "candidates_per_product": round(len(owner) / count, 1),
    }


def measure_decisions(ranking: Ranking, decisions: OutOfFoldDecisions) -> dict[str, Any]:
    """Return accuracy, coverage, precision and AURC (:mod:`workers.evaluation.confidence`).

    ``threshold_at_95_precision`` is the lowest confidence in the likeliest category from which on 95 % are right.
    It is a point estimate for comparisons; the policy's own threshold keeps a bound and is stricter.
    ``design_effect`` is that of the assignments, where near-duplicates may be wrong together. ``new_brands`` is
    about products of brands without a labelled product in the other folds.
    """
    right = decisions.right
    if not len(right):
        return {}
    assigned = decisions.decided(ranking.policy).assigned
    confidence = ranking.assign_calibrator(decisions.top.probability)
    order = np.argsort(-confidence, kind="stable")
    precise = np.flatnonzero(np.cumsum(right[order]) >= _PRECISION * np.arange(1, len(order) + 1))
    return {
        "exact_accuracy": round(float(right.mean()), 4),
        "coverage": round(float(assigned.mean()), 4),
        "precision_assigned": round(float(right[assigned].mean()), 4) if assigned.any() else None,
        "design_effect": round(decisions.accepted(assigned, NEVER).design_effect, 4),
        "aurc": round(float(Ordered.of(confidence, right).curve().area_under_risk()[0]), 6),
        "threshold_at_95_precision": round(float(confidence[order[precise[-1]]]), 6) if len(precise) else None,
        "new_brands": _measure_new_brands(ranking.policy, decisions),
    }


def _measure_new_brands(policy: Policy, decisions: OutOfFoldDecisions) -> dict[str, Any]:
    """Return the figures for products of new brands, except those of new stores, which are decided as such."""
    labelled = decisions.labelled
    new = decisions.take(labelled.new_brand & ~policy.new_stores.covers(labelled))
    products = len(new.folds)
    found = {"products": products, "assignable": max(policy.assign, policy.assign_new_brands) < NEVER}
    return found | _measure_decided(policy, new) if products else found


def measure_new_stores(policy: Policy, decisions: OutOfFoldDecisions | None) -> dict[str, Any]:
    """Return the figures for products of new stores, measured on held-out stores.

    ``decisions`` is ``None`` if no stores were held out.
    """
    products = 0 if decisions is None else len(decisions.folds)
    found: dict[str, Any] = {"labelled_below": policy.new_stores.below, "products": products}
    if decisions is None:
        return found | {"coverage": 0.0, "usable_coverage": 0.0}
    return found | _measure_decided(policy, decisions)


def _measure_decided(policy: Policy, decisions: OutOfFoldDecisions) -> dict[str, Any]:
    decided = decisions.decided(policy)
    right, usable = decisions.right[decided.assigned], decided.assigned | (decided.level >= 0)
    return {
        "exact_accuracy": round(float(decisions.right.mean()), 4),
        "coverage": round(float(decided.assigned.mean()), 4),
        "precision_assigned": round(float(right.mean()), 4) if len(right) else None,
        "usable_coverage": round(float(usable.mean()), 4),
    }
