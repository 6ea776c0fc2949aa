"""Compare the outcomes of two models on the same products, and tell real drops from noise."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from schemas.events.batch import Outcome
from workers.design_effect import design_effect, upper_tail
from workers.evaluation.bootstrap import draw_weights
from workers.evaluation.hierarchy import is_prefix
from workers.evaluation.outcomes import ProductOutcomes
from workers.gate.headline import DIRECTION, HEADLINE, Headline
from workers.gate.significance import able_to_reject, holm, p_of_fall, sign_test

Floats = NDArray[np.float64]

_INTERVAL: Final = (2.5, 97.5)
_DRAWS: Final = 4_000
_SHOWN: Final = 50


@dataclass(frozen=True, slots=True)
class MetricChange:
    """One headline metric of both models.

    ``low`` and ``high`` are the 95 % interval of the difference, candidate minus current. ``p_value`` is for the
    hypothesis that the candidate is no worse. A figure is ``None`` if it is undefined, such as the precision of no
    assignments, or if there is no current model.
    """

    name: str
    current: float | None
    candidate: float | None
    difference: float | None
    low: float | None
    high: float | None
    p_value: float | None
    verdict: Literal["held", "fell", "measured"]


@dataclass(frozen=True, slots=True)
class CategoryChange:
    """A category and everything below it: the share of its products whose likeliest category is exactly right."""

    path: str
    products: int
    current: float
    candidate: float
    p_value: float
    verdict: Literal["held", "fell"]


@dataclass(frozen=True, slots=True)
class BudgetCheck:
    """The error budget: ``wrong`` of the candidate's ``decisions`` were wrong; broken if that is beyond chance."""

    decisions_of: Literal["assigned", "assigned_or_backed_off"]
    decisions: int
    wrong: int
    max_error: float
    p_value: float
    verdict: Literal["kept", "broken"]


@dataclass(frozen=True, slots=True)
class CategoryRule:
    """Categories with at least ``products`` may lose the share ``fall`` of their recall, tested at ``level``."""

    level: float
    products: int
    fall: float


def compare_metrics(
    current: ProductOutcomes, candidate: ProductOutcomes, groups: NDArray[np.int64], level: float, seed: int
) -> list[MetricChange]:
    """Test each headline metric with the paired bootstrap, with Holm's correction for the number of metrics.

    The i-th outcomes of both models are about the same product; ``groups`` int64 (n,) are its near-duplicate
    groups.
    """
    old, new = Headline.of(current), Headline.of(candidate)
    one = np.ones((1, len(current)))
    before, after = old.values(one)[0], new.values(one)[0]
    replicated = np.concatenate(
        [new.values(weights) - old.values(weights) for weights in draw_weights(groups, _DRAWS, seed)]
    )
    difference = after - before
    p_values = np.array(
        [p_of_fall(difference[i] * DIRECTION[i], replicated[:, i] * DIRECTION[i]) for i in range(len(HEADLINE))]
    )
    fell = holm(p_values, level)
    return [
        MetricChange(
            name,
            _figure(before[i]),
            _figure(after[i]),
            _figure(difference[i]),
            *_interval(replicated[:, i]),
            float(p_values[i]),
            "fell" if fell[i] else "held",
        )
        for i, name in enumerate(HEADLINE)
    ]


def measure_alone(candidate: ProductOutcomes) -> list[MetricChange]:
    """Return the metrics of a first release, which has nothing to be compared with."""
    values = Headline.of(candidate).values(np.ones((1, len(candidate))))[0]
    return [
        MetricChange(name, None, _figure(value), None, None, None, None, "measured")
        for name, value in zip(HEADLINE, values, strict=True)
    ]


def compare_categories(
    current: ProductOutcomes,
    candidate: ProductOutcomes,
    groups: NDArray[np.int64],
    rule: CategoryRule,
) -> tuple[int, list[CategoryChange]]:
    """Find categories whose share of right products fell by more than the rule allows, beyond noise.

    A category includes everything below it. Noise is judged with McNemar's exact test on the groups of
    near-duplicates that changed, with Holm's correction for those categories in which enough groups changed for
    the test to reject anything (Tarone). Returns the number of categories with enough products, and at most 50
    categories that fell by more than the rule allows, worst first, including those whose fall may be noise.
    """
    before, after = Headline.of(current).right, Headline.of(candidate).right
    members = _members(current, rule.products)
    counts = np.array([_changed(before[rows], after[rows], groups[rows]) for _, rows in members]).reshape(-1, 2)
    p_values = np.array([sign_test(int(worse), int(better)) for worse, better in counts])
    able = able_to_reject(0.5 ** counts.sum(axis=1), rule.level)
    beyond = np.zeros(len(members), bool)
    beyond[able] = holm(p_values[able], rule.level)
    found = []
    for (node, rows), p_value, significant in zip(members, p_values, beyond, strict=True):
        was, now = float(before[rows].mean()), float(after[rows].mean())
        if now < (1 - rule.fall) * was:
            path = current.taxonomy.path_text(node)
            verdict: Literal["held", "fell"] = "fell" if significant else "held"
            found.append(CategoryChange(path, len(rows), was, now, float(p_value), verdict))
    found.sort(key=lambda change: (change.verdict, change.p_value, change.path))
    return len(members), found[:_SHOWN]


def check_budget(
    candidate: ProductOutcomes, groups: NDArray[np.int64], max_error: float, level: float
) -> list[BudgetCheck]:
    """Test whether more than ``max_error`` of the candidate's assignments, or of all its decisions, are wrong.

    These are promises of the policy (:mod:`workers.fit.fit_policy`). A back-off is right if its category is an
    ancestor of the label. The p-value is exact (Clopper and Pearson, 1934) except for near-duplicates, which may
    be wrong together: ``groups`` int64 (n,) (:mod:`workers.design_effect`). Holm's correction accounts for the two
    tests.
    """
    assigned, backed_off = (
        np.array([one is outcome for one in candidate.outcome], bool)
        for outcome in (Outcome.ASSIGNED, Outcome.BACKED_OFF)
    )
    wrong_assigned = assigned & (candidate.decided != candidate.labels)
    wrong_prefix = backed_off & ~is_prefix(candidate.taxonomy, candidate.decided, candidate.labels)
    families = ((assigned, wrong_assigned), (assigned | backed_off, wrong_assigned | wrong_prefix))
    counts = [(int(decided.sum()), int(wrong.sum())) for decided, wrong in families]
    p_values = np.array([_p_of_broken(wrong[decided], groups[decided], max_error) for decided, wrong in families])
    broken = holm(p_values, level)
    names: tuple[Literal["assigned", "assigned_or_backed_off"], ...] = ("assigned", "assigned_or_backed_off")
    return [
        BudgetCheck(name, *counts[i], max_error, float(p_values[i]), "broken" if broken[i] else "kept")
        for i, name in enumerate(names)
    ]


def _p_of_broken(wrong: NDArray[np.bool_], groups: NDArray[np.int64], max_error: float) -> float:
    if not len(wrong):
        return 1.0
    effect = design_effect(groups, wrong - wrong.mean())
    return float(upper_tail(wrong.sum(), len(wrong), max_error, effect))


def _members(outcomes: ProductOutcomes, minimum: int) -> list[tuple[int, NDArray[np.int64]]]:
    """Return each category with enough products below it, and their rows.

    A category whose rows are those of one of its children is left out.
    """
    ancestors = outcomes.taxonomy.ancestor_matrix[outcomes.labels]
    found: dict[bytes, tuple[int, NDArray[np.int64]]] = {}
    for depth in range(ancestors.shape[1]):
        order = np.argsort(ancestors[:, depth], kind="stable")
        nodes, starts = np.unique(ancestors[order, depth], return_index=True)
        for node, rows in zip(nodes.tolist(), np.split(order, starts[1:]), strict=True):
            if node >= 0 and len(rows) >= minimum:
                rows.sort()
                found[rows.tobytes()] = (node, rows)
    return list(found.values())


def _changed(before: NDArray[np.bool_], after: NDArray[np.bool_], groups: NDArray[np.int64]) -> tuple[int, int]:
    """Count the groups that became worse overall, and those that became better."""
    _, group = np.unique(groups, return_inverse=True)
    net = np.bincount(group, after.astype(np.int64) - before.astype(np.int64))
    return int((net < 0).sum()), int((net > 0).sum())


def _interval(replicated: Floats) -> tuple[float | None, float | None]:
    known = replicated[np.isfinite(replicated)]
    if not len(known):
        return None, None
    low, high = np.percentile(known, _INTERVAL)
    return float(low), float(high)


def _figure(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
