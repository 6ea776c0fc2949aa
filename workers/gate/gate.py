"""Judge a candidate bundle against the current one on a frozen gold set."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Final

import numpy as np
from numpy.typing import NDArray

from schemas.errors import GateRefused
from schemas.gate import Decision, GateVerdict
from workers.bundle.bundle import Bundle
from workers.bundle.training import TRAINING, TrainingFingerprint
from workers.evaluation.outcomes import ProductOutcomes, collect_outcomes
from workers.fit.labels import LabelledProducts
from workers.gate.compare import (
    BudgetCheck,
    CategoryChange,
    CategoryRule,
    MetricChange,
    check_budget,
    compare_categories,
    compare_metrics,
    measure_alone,
)
from workers.gate.gold import GoldSet, label_in_all_trees
from workers.leaks import Leaks, find_leaks
from workers.near_duplicates import near_duplicate_groups
from workers.progress import Progress, silent

# Metrics, categories and the error budget: each family of tests gets a third of the level.
_FAMILIES: Final = 3
_REASONS: Final = 5


@dataclass(frozen=True, slots=True)
class GateOptions:
    """How to judge.

    Attributes:
        level: the probability of rejecting a candidate that is no worse.
        max_error: the error budget.
        category_fall: the share of its recall that a category may lose.
        category_products: categories with fewer gold products are not judged separately.
        min_products: refuse to judge on fewer gold products, not counting leaks and near-duplicates.
        max_leaked: if a larger share of products leaked, refuse the gold set.
        keep_leaked: judge on leaked products too.
        skip_unknown: leave out products whose category is missing from either tree.
        seed: seed of the bootstrap.
    """

    level: float = 0.05
    max_error: float = 0.05
    category_fall: float = 0.10
    category_products: int = 20
    min_products: int = 100
    max_leaked: float = 0.5
    keep_leaked: bool = False
    skip_unknown: bool = False
    seed: int = 0


@dataclass(frozen=True, slots=True)
class GateReport:
    """The decision and everything it is based on; ``current`` figures are ``None`` for a first release."""

    decision: Decision
    reasons: tuple[str, ...]
    candidate: str
    current: str | None
    gold: str
    gold_sha256: str
    products: int
    unlabelled: int
    unknown_categories: int
    leaked: int
    leaks_candidate: Leaks
    leaks_current: Leaks | None
    level: float
    metrics: tuple[MetricChange, ...]
    budget: tuple[BudgetCheck, ...]
    categories_judged: int
    categories: tuple[CategoryChange, ...]

    def verdict(self) -> GateVerdict:
        """Return the verdict to store in the bundle."""
        return GateVerdict(
            decision=self.decision,
            model_version=self.candidate,
            current_version=self.current,
            gold_sha256=self.gold_sha256,
            products=self.products,
            leaked=self.leaked,
            level=self.level,
            decided_at=datetime.now(UTC),
            shelfwise_version=version("shelfwise"),
            reasons=self.reasons,
        )


def judge(
    candidate: Bundle,
    current: Bundle | None,
    gold: GoldSet,
    options: GateOptions | None = None,
    progress: Progress = silent,
) -> GateReport:
    """Compare two bundles on products that neither was fitted on.

    Raises :class:`GateRefused` if the gold set cannot be used: too many leaks, too few products, categories that
    are missing from a bundle's tree, or a candidate that does not say what it was fitted on.
    """
    options = options or GateOptions()
    bundles = [candidate] if current is None else [candidate, current]
    by_tree, unknown = label_in_all_trees(
        gold, [bundle.taxonomy for bundle in bundles], skip_unknown=options.skip_unknown
    )
    audits, leaked = _audit(bundles, by_tree[0], options)
    kept, groups = _rows_to_judge(by_tree[0], leaked, options)
    outcomes = [
        collect_outcomes(bundle, labelled.take(kept), _named(progress, name))
        for bundle, labelled, name in zip(bundles, by_tree, ("candidate", "current"), strict=False)
    ]
    metrics, budget, judged, categories = _tests(outcomes, groups, options)
    reasons = _reasons(metrics, budget, categories)
    return GateReport(
        decision="rejected" if reasons else "accepted",
        reasons=reasons,
        candidate=candidate.model_version,
        current=current.model_version if current else None,
        gold=gold.name,
        gold_sha256=gold.sha256,
        products=len(kept),
        unlabelled=gold.unlabelled,
        unknown_categories=unknown,
        leaked=int(leaked.sum()),
        leaks_candidate=audits[0],
        leaks_current=audits[1] if current else None,
        level=options.level,
        metrics=tuple(metrics),
        budget=tuple(budget),
        categories_judged=judged,
        categories=tuple(categories),
    )


def _tests(
    outcomes: list[ProductOutcomes], groups: NDArray[np.int64], options: GateOptions
) -> tuple[list[MetricChange], list[BudgetCheck], int, list[CategoryChange]]:
    level = options.level / _FAMILIES
    candidate = outcomes[0]
    budget = check_budget(candidate, groups, options.max_error, level)
    if len(outcomes) == 1:
        return measure_alone(candidate), budget, 0, []
    metrics = compare_metrics(outcomes[1], candidate, groups, level, options.seed)
    rule = CategoryRule(level, options.category_products, options.category_fall)
    judged, categories = compare_categories(outcomes[1], candidate, groups, rule)
    return metrics, budget, judged, categories


def _audit(
    bundles: list[Bundle], labelled: LabelledProducts, options: GateOptions
) -> tuple[list[Leaks], NDArray[np.bool_]]:
    leaked = np.zeros(len(labelled.products), bool)
    audits = []
    for index, bundle in enumerate(bundles):
        training = TrainingFingerprint.load(bundle.directory)
        if index == 0 and training is None:
            raise GateRefused(
                f"bundle {bundle.directory} has no {TRAINING}, so nobody can tell which gold products it was"
                " fitted on; fit it anew"
            )
        audit, found = find_leaks(training, labelled.products)
        audits.append(audit)
        leaked |= found
    share = leaked.mean() if len(leaked) else 0.0
    if share > options.max_leaked:
        raise GateRefused(
            f"{int(leaked.sum())} of {len(leaked)} gold products ({share:.1%}) are, or are near-duplicates of,"
            f" training products of the bundles, more than {100 * options.max_leaked:g}%: this is no gold set for"
            " them; keep its products out of the fit, or allow more with --max-leaked"
        )
    return audits, leaked


def _rows_to_judge(
    labelled: LabelledProducts, leaked: NDArray[np.bool_], options: GateOptions
) -> tuple[NDArray[np.intp], NDArray[np.int64]]:
    """Return the rows to judge on, and the near-duplicate group of each."""
    kept = np.arange(len(leaked)) if options.keep_leaked else np.flatnonzero(~leaked)
    groups = near_duplicate_groups([labelled.products[row].title for row in kept])
    if (different := len(np.unique(groups))) < options.min_products:
        raise GateRefused(
            f"{len(kept)} of {len(leaked)} gold products are left after {int(leaked.sum())} leaked ones; counting"
            f" near-duplicates once, that makes {different}, and at least {options.min_products} are needed: label"
            " more products, or lower --min-products"
        )
    return kept, groups


def _named(progress: Progress, name: str) -> Progress:
    def report(step: str, done: int, total: int) -> None:
        progress(f"{name}: {step}", done, total)

    return report


def _reasons(
    metrics: list[MetricChange], budget: list[BudgetCheck], categories: list[CategoryChange]
) -> tuple[str, ...]:
    return (
        *(_metric_reason(change) for change in metrics if change.verdict == "fell"),
        *(_budget_reason(check) for check in budget if check.verdict == "broken"),
        *_category_reasons([change for change in categories if change.verdict == "fell"]),
    )


def _metric_reason(change: MetricChange) -> str:
    verb = "rose" if (change.difference or 0) > 0 else "fell"
    return (
        f"{change.name} {verb} from {change.current:.4f} to {change.candidate:.4f}"
        f" (95 % interval of the difference {change.low:+.4f} to {change.high:+.4f})"
    )


def _budget_reason(check: BudgetCheck) -> str:
    return (
        f"the error budget is broken: {check.wrong} of {check.decisions} {check.decisions_of.replace('_', ' ')}"
        f" products are wrong ({check.wrong / check.decisions:.1%}), more than {100 * check.max_error:g}%"
    )


def _category_reasons(fallen: list[CategoryChange]) -> list[str]:
    reasons = [
        f"{change.path!r} fell from {change.current:.1%} to {change.candidate:.1%} right of its"
        f" {change.products} products"
        for change in fallen[:_REASONS]
    ]
    if (more := len(fallen) - _REASONS) > 0:
        reasons.append(f"{more} more categories fell")
    return reasons
