"""The quality figures, all computed from :class:`ProductOutcomes`; docs/evaluation.md defines every key."""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from workers.evaluation.categories import macro_f1
from workers.evaluation.confidence import Ordered, best_possible_area
from workers.evaluation.hierarchy import per_level
from workers.evaluation.numbers import number, ratio
from workers.evaluation.outcomes import RECALL_AT, ProductOutcomes
from workers.evaluation.per_product import ProductFacts, product_facts, product_ratios

HEADLINES: Final = (
    "n",
    "exact_accuracy",
    "exact_accuracy_lenient",
    "top3_accuracy",
    "top3_accuracy_lenient",
    "hierarchical_f1",
    "hierarchical_f1_lenient",
    "hierarchical_precision",
    "hierarchical_recall",
    "macro_f1",
    "recall_at_30",
    "coverage",
    "precision_assigned",
    "precision_assigned_lenient",
    "usable_coverage",
    "hierarchical_precision_usable",
    "hierarchical_precision_usable_lenient",
    "depth_kept",
    "back_off_share",
    "precision_backed_off",
    "review_share",
    "review_first_suggestion_right",
    "review_top3_right",
    "also_per_product",
    "also_precision",
    "expected_calibration_error",
    "brier_score",
    "mean_confidence",
    "aurc",
    "excess_aurc",
    "coverage_at_95_precision",
)
"""Keys of the figures that are a single number, or null if it cannot be computed; the keys are stable."""


def measure(outcomes: ProductOutcomes, facts: ProductFacts | None = None) -> dict[str, Any]:
    """Return every headline figure (``HEADLINES``), ``recall`` and ``per_level_f1``, ready for JSON.

    A figure that cannot be computed (no signals known, no products assigned) is ``None``. The figures do not
    depend on the order of the products.
    """
    facts = facts or product_facts(outcomes)
    count = len(outcomes)
    found: dict[str, Any] = dict.fromkeys(HEADLINES)
    found["n"] = count
    found |= {
        key: ratio(top.sum(), bottom.sum()) for key, (top, bottom) in product_ratios(outcomes, facts).items()
    }
    if count:
        curve = Ordered.of(outcomes.confidence, facts.exact).curve()
        area = float(curve.area_under_risk()[0])
        best = best_possible_area(1.0 - float(facts.exact.mean()), count)
        found["macro_f1"] = number(macro_f1(outcomes)[0])
        found["expected_calibration_error"] = number(curve.calibration_error()[0])
        found["aurc"] = number(area)
        found["excess_aurc"] = number(max(area - best, 0.0))
        found["coverage_at_95_precision"] = number(curve.coverage_at_precision()[0])
    found["recall"] = recall(outcomes)
    found["per_level_f1"] = per_level(outcomes.taxonomy, outcomes.labels, outcomes.ranked[:, 0])
    return found


def recall(outcomes: ProductOutcomes) -> dict[str, Any] | None:
    """Return the share of products whose label is among the first k candidates, for each k and for ``any``.

    For ``union`` candidates are ordered by the model. For each of ``signals`` all candidates are ordered by that
    signal's scores, whether or not it proposed the category itself.
    """
    if outcomes.label_rank is None or not len(outcomes):
        return None
    rank = outcomes.label_rank
    reached = {str(k): ((rank > 0) & (rank <= k)).mean(axis=0) for k in RECALL_AT}
    reached["any"] = (rank > 0).mean(axis=0)
    columns = [{k: number(values[column]) for k, values in reached.items()} for column in range(np.shape(rank)[1])]
    return {"union": columns[-1], "signals": dict(zip(outcomes.signals, columns[:-1], strict=True))}
