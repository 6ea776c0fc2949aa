"""What each product contributes to the figures that are ratios of sums over products."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from schemas.events.batch import Outcome
from workers.evaluation.hierarchy import best_fitting, depth_of, is_prefix, shared_depth
from workers.evaluation.outcomes import ProductOutcomes

HEADLINE_RECALL: Final = 30

Ratio = tuple[NDArray[np.float64], NDArray[np.float64]]
"""Numerator and denominator for each product, both float64 (n,); the figure is the ratio of their sums."""


@dataclass(frozen=True, slots=True)
class ProductFacts:
    """Facts about n products, all bool (n,), which figures, slices and tables count.

    Attributes:
        exact, lenient: the likeliest category is the label / is acceptable.
        top3, top3_lenient: the label / an acceptable category is among the three likeliest.
        assigned, usable, review: a category was assigned / was assigned or backed off to / a person was asked.
        assigned_right, assigned_right_lenient: the assigned category is the label / is acceptable.
        prefix_right, prefix_right_lenient: the assigned or backed-off category is the label / is acceptable, or is
            an ancestor of it.
    """

    exact: NDArray[np.bool_]
    lenient: NDArray[np.bool_]
    top3: NDArray[np.bool_]
    top3_lenient: NDArray[np.bool_]
    assigned: NDArray[np.bool_]
    usable: NDArray[np.bool_]
    review: NDArray[np.bool_]
    assigned_right: NDArray[np.bool_]
    assigned_right_lenient: NDArray[np.bool_]
    prefix_right: NDArray[np.bool_]
    prefix_right_lenient: NDArray[np.bool_]


def product_facts(outcomes: ProductOutcomes) -> ProductFacts:
    """Compute the facts about each product."""
    owner, right = acceptable_pairs(outcomes)
    count = len(outcomes)

    def any_of(pairs: NDArray[np.bool_]) -> NDArray[np.bool_]:
        return np.bincount(owner[pairs], minlength=count) > 0

    first = outcomes.ranked[:, 0]
    three = outcomes.ranked[:, :3]
    assigned = np.fromiter((outcome is Outcome.ASSIGNED for outcome in outcomes.outcome), np.bool_, count)
    usable = outcomes.decided >= 0
    decided_of_pair = outcomes.decided[owner]
    return ProductFacts(
        exact=first == outcomes.labels,
        lenient=any_of(first[owner] == right),
        top3=(three == outcomes.labels[:, None]).any(axis=1),
        top3_lenient=any_of((three[owner] == right[:, None]).any(axis=1)),
        assigned=assigned,
        usable=usable,
        review=~usable,
        assigned_right=assigned & (outcomes.decided == outcomes.labels),
        assigned_right_lenient=assigned & any_of(decided_of_pair == right),
        prefix_right=is_prefix(outcomes.taxonomy, outcomes.decided, outcomes.labels),
        prefix_right_lenient=any_of(is_prefix(outcomes.taxonomy, decided_of_pair, right)),
    )


def acceptable_pairs(outcomes: ProductOutcomes) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
    """Return (product, acceptable category) pairs, int64 and int32 (m,), by product; the label comes first."""
    sets = [
        (label, *sorted(acceptable - {label}))
        for label, acceptable in zip(outcomes.labels.tolist(), outcomes.acceptable, strict=True)
    ]
    owner = np.repeat(np.arange(len(sets)), np.array([len(nodes) for nodes in sets], np.int64))
    return owner.astype(np.int64), np.array([node for nodes in sets for node in nodes], np.int32)


def product_ratios(outcomes: ProductOutcomes, facts: ProductFacts | None = None) -> dict[str, Ratio]:
    """Return each figure that is a ratio of sums, by its key in the JSON; docs/evaluation.md defines them.

    To compare two bundles on the same products, resample the products and compute both ratios for the same draw.
    """
    facts = facts or product_facts(outcomes)
    ones = np.ones(len(outcomes))
    backed_off = facts.usable & ~facts.assigned
    found: dict[str, tuple[NDArray[np.generic], NDArray[np.generic]]] = {
        "exact_accuracy": (facts.exact, ones),
        "exact_accuracy_lenient": (facts.lenient, ones),
        "top3_accuracy": (facts.top3, ones),
        "top3_accuracy_lenient": (facts.top3_lenient, ones),
        **_hierarchical(outcomes),
        "coverage": (facts.assigned, ones),
        "precision_assigned": (facts.assigned_right, facts.assigned),
        "precision_assigned_lenient": (facts.assigned_right_lenient, facts.assigned),
        "usable_coverage": (facts.usable, ones),
        "hierarchical_precision_usable": (facts.prefix_right, facts.usable),
        "hierarchical_precision_usable_lenient": (facts.prefix_right_lenient, facts.usable),
        "depth_kept": (_depth_kept(outcomes), facts.usable),
        "back_off_share": (backed_off, ones),
        "precision_backed_off": (facts.prefix_right & backed_off, backed_off),
        "review_share": (facts.review, ones),
        "review_first_suggestion_right": (facts.review & facts.exact, facts.review),
        "review_top3_right": (facts.review & facts.top3, facts.review),
        **_also(outcomes),
        "mean_confidence": (outcomes.confidence, ones),
        "brier_score": ((outcomes.confidence - facts.exact) ** 2, ones),
    }
    if outcomes.label_rank is not None:
        rank = outcomes.label_rank[:, -1]
        found[f"recall_at_{HEADLINE_RECALL}"] = ((rank > 0) & (rank <= HEADLINE_RECALL), ones)
    return {key: (top.astype(np.float64), bottom.astype(np.float64)) for key, (top, bottom) in found.items()}


def _hierarchical(outcomes: ProductOutcomes) -> dict[str, tuple[NDArray[np.generic], NDArray[np.generic]]]:
    first = outcomes.ranked[:, 0]
    predicted = depth_of(outcomes.taxonomy, first)
    owner, right = acceptable_pairs(outcomes)
    of_pair = shared_depth(outcomes.taxonomy, first[owner], right)
    best = best_fitting(owner, of_pair, depth_of(outcomes.taxonomy, right), predicted)
    shared = shared_depth(outcomes.taxonomy, first, outcomes.labels)
    true = depth_of(outcomes.taxonomy, outcomes.labels)
    return {
        "hierarchical_precision": (shared, predicted),
        "hierarchical_recall": (shared, true),
        "hierarchical_f1": (2 * shared, predicted + true),
        "hierarchical_f1_lenient": (
            2 * of_pair[best],
            predicted + depth_of(outcomes.taxonomy, right[best]),
        ),
    }


def _depth_kept(outcomes: ProductOutcomes) -> NDArray[np.float64]:
    decided = depth_of(outcomes.taxonomy, outcomes.decided)
    # A decision deeper than the label counts as keeping the whole depth.
    return np.minimum(decided / depth_of(outcomes.taxonomy, outcomes.labels), 1.0)


def _also(outcomes: ProductOutcomes) -> dict[str, tuple[NDArray[np.generic], NDArray[np.generic]]]:
    if not outcomes.also:
        return {}
    said = np.fromiter(map(len, outcomes.also), np.float64, len(outcomes))
    right = np.fromiter(
        (
            len(acceptable.intersection(also))
            for acceptable, also in zip(outcomes.acceptable, outcomes.also, strict=True)
        ),
        np.float64,
        len(outcomes),
    )
    return {"also_per_product": (said, np.ones(len(outcomes))), "also_precision": (right, said)}
