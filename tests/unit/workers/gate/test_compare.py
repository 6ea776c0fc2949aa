"""Noise alone does not reject a model; a real fall does."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from scipy.stats import binom

from schemas.events.batch import Outcome
from tests.simulated_outcomes import LEAVES, TREE, Simulated, simulate_pair
from workers.evaluation.outcomes import ProductOutcomes
from workers.gate.compare import CategoryRule, check_budget, compare_categories, compare_metrics, measure_alone
from workers.gate.headline import HEADLINE
from workers.gate.power import detectable_fall, detectable_loss

LEVEL = 0.05 / 3
RULE = CategoryRule(LEVEL, 20, 0.1)


def fallen(current: ProductOutcomes, candidate: ProductOutcomes, seed: int = 0) -> list[str]:
    alone = np.arange(len(current))
    metrics = compare_metrics(current, candidate, alone, LEVEL, seed)
    _, categories = compare_categories(current, candidate, alone, RULE)
    return [change.name for change in metrics if change.verdict == "fell"] + [
        change.path for change in categories if change.verdict == "fell"
    ]


def test_noise_alone_is_accepted_in_at_least_95_of_100_pairs() -> None:
    pairs, kind = 25, Simulated(products=300)
    rejected = sum(
        bool(fallen(*simulate_pair(np.random.default_rng([9, seed]), kind), seed)) for seed in range(pairs)
    )
    # Were the share of false rejections 5 %, so few or fewer would be seen in 95 of 100 such tests.
    assert rejected <= binom.ppf(0.95, pairs, 0.05)


def test_a_model_is_not_worse_than_itself() -> None:
    current, _ = simulate_pair(np.random.default_rng(1), Simulated())
    changes = compare_metrics(current, current, np.arange(len(current)), LEVEL, 0)
    assert [change.name for change in changes] == list(HEADLINE)
    assert {change.verdict for change in changes} == {"held"}
    assert {change.difference for change in changes} == {0.0}
    assert compare_categories(current, current, np.arange(len(current)), RULE)[1] == []


def test_a_fall_of_all_is_found_and_its_opposite_is_none() -> None:
    current, candidate = simulate_pair(np.random.default_rng(2), Simulated(fall=0.08))
    assert {"exact_accuracy", "hierarchical_f1", "macro_f1", "aurc"} <= set(fallen(current, candidate))
    assert fallen(candidate, current) == []


def test_a_fall_in_one_category_is_found_where_the_metrics_hold() -> None:
    kind = Simulated(products=3_000, agree=0.97, fall=0.3, category=7)
    current, candidate = simulate_pair(np.random.default_rng(3), kind)
    _, categories = compare_categories(current, candidate, np.arange(len(current)), RULE)
    path = TREE.path_text(int(LEAVES[7]))
    assert [change.path for change in categories if change.verdict == "fell"] == [path]
    found = next(change for change in categories if change.path == path)
    rows = current.labels == LEAVES[7]
    assert found.products == rows.sum()
    assert found.candidate == pytest.approx((candidate.ranked[rows, 0] == LEAVES[7]).mean())


def test_a_category_with_few_products_is_not_judged_by_itself() -> None:
    current, candidate = simulate_pair(np.random.default_rng(4), Simulated(products=400, fall=0.9, category=7))
    alone = np.arange(len(current))
    judged, categories = compare_categories(current, candidate, alone, CategoryRule(LEVEL, 40, 0.1))
    assert judged == 5
    assert all(change.products >= 40 for change in categories)


def test_copies_of_one_product_are_one_witness() -> None:
    current, candidate = simulate_pair(np.random.default_rng(5), Simulated(products=1_000, agree=1.0))
    worse = np.flatnonzero((current.labels == LEAVES[7]) & (current.ranked[:, 0] == LEAVES[7]))[:15]
    ranked = candidate.ranked.copy()
    ranked[worse] = np.roll(ranked[worse], 1, axis=1)
    candidate = dataclasses.replace(current, ranked=ranked)
    assert TREE.path_text(int(LEAVES[7])) in fallen(current, candidate)
    copies = np.arange(len(current))
    copies[worse] = worse[0]
    _, copies = np.unique(copies, return_inverse=True)
    _, categories = compare_categories(current, candidate, copies, RULE)
    assert {change.verdict for change in categories} == {"held"}


@pytest.mark.parametrize(("wrong", "verdict"), [(0, "kept"), (50, "kept"), (90, "broken")])
def test_the_budget_is_broken_by_more_errors_than_chance_gives(wrong: int, verdict: str) -> None:
    current, _ = simulate_pair(np.random.default_rng(6), Simulated(products=1_000))
    decided = current.labels.copy()
    decided[:wrong] = np.where(decided[:wrong] == LEAVES[0], LEAVES[1], LEAVES[0])
    outcomes = dataclasses.replace(current, decided=decided, outcome=(Outcome.ASSIGNED,) * 1_000)
    assigned, decided_at_all = check_budget(outcomes, np.arange(1_000), 0.05, LEVEL)
    assert (assigned.decisions, assigned.wrong, assigned.verdict) == (1_000, wrong, verdict)
    assert (decided_at_all.decisions, decided_at_all.wrong, decided_at_all.verdict) == (1_000, wrong, verdict)


def test_near_duplicates_that_are_wrong_together_break_no_budget_that_is_kept() -> None:
    """Of a model that is right as often as it must be; taken for independent, a quarter would be rejected."""
    made, _ = simulate_pair(np.random.default_rng(6), Simulated(products=1_000))
    groups = np.repeat(np.arange(100), 10)
    rejected = 0
    for seed in range(300):
        wrong = np.repeat(np.random.default_rng(seed).random(100) < 0.05, 10)
        others = np.where(made.labels == LEAVES[0], LEAVES[1], LEAVES[0])
        outcomes = dataclasses.replace(
            made,
            decided=np.where(wrong, others, made.labels).astype(np.int32),
            outcome=(Outcome.ASSIGNED,) * 1_000,
        )
        rejected += any(check.verdict == "broken" for check in check_budget(outcomes, groups, 0.05, LEVEL))
    assert rejected <= 300 * LEVEL


@pytest.mark.parametrize(("wrong", "verdict"), [(30, "kept"), (90, "broken")])
def test_back_offs_keep_the_budget_together_with_the_assignments(wrong: int, verdict: str) -> None:
    current, _ = simulate_pair(np.random.default_rng(6), Simulated(products=1_000))
    roots = current.taxonomy.ancestor_matrix[current.labels, 0]
    decided = np.where(np.arange(1_000) < 100, roots, current.labels)
    tops = np.unique(roots)
    decided[:wrong] = tops[(np.searchsorted(tops, roots[:wrong]) + 1) % len(tops)]
    outcome = (Outcome.BACKED_OFF,) * 100 + (Outcome.ASSIGNED,) * 900
    outcomes = dataclasses.replace(current, decided=decided.astype(np.int32), outcome=outcome)
    assigned, together = check_budget(outcomes, np.arange(1_000), 0.05, LEVEL)
    assert (assigned.decisions, assigned.wrong, assigned.verdict) == (900, 0, "kept")
    assert (together.decisions, together.wrong, together.verdict) == (1_000, wrong, verdict)


def test_a_model_that_assigns_nothing_has_no_precision_and_loses_its_coverage() -> None:
    current, _ = simulate_pair(np.random.default_rng(7), Simulated(products=300))
    silent = dataclasses.replace(
        current, outcome=(Outcome.NEEDS_REVIEW,) * 300, decided=np.full(300, -1, np.int32)
    )
    changes = {change.name: change for change in compare_metrics(current, silent, np.arange(300), LEVEL, 0)}
    assert changes["precision_assigned"].candidate is None
    assert changes["precision_assigned"].verdict == "held"
    assert changes["coverage"].verdict == "fell"
    assert {change.name: change.candidate for change in measure_alone(silent)}["coverage"] == 0.0


def test_the_stated_power_is_what_a_simulation_gives() -> None:
    products, changed, draws = 1_000, 0.1, 4_000
    fall = detectable_fall(products, changed, level=0.01, power=0.8)
    rng = np.random.default_rng(8)
    worse, same, better = (changed + fall) / 2, 1 - changed, (changed - fall) / 2
    counts = rng.multinomial(products, [worse, same, better], draws)
    found = np.mean([binom.cdf(up, up + down, 0.5) <= 0.01 for down, _, up in counts])
    assert 0.7 < found < 0.85
    loss = detectable_loss(50, 10, level=0.05, power=0.8)
    lost = rng.binomial(50, loss, draws)
    assert np.mean(0.5**lost <= 0.05 / 10) == pytest.approx(0.8, abs=0.02)
