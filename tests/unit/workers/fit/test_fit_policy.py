"""Assign, back off or review: exactly one, within the error budget."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from workers.fit.decisions import Decisions
from workers.fit.fit_policy import fit_policy
from workers.ranking.error_budget import NEVER, ErrorBudget
from workers.ranking.likeliest import AncestorLevels, TopCandidates
from workers.ranking.policy import LEAST_ASSIGNED, Policy

pytestmark = pytest.mark.unit

BUDGET = ErrorBudget(max_error=0.05, risk=0.05)
ROOTS = 5
"""Nodes 0 to 4 are top-level categories; each has two leaves, of which the first is always the likeliest."""


def decisions(
    roots: NDArray[Any], leaf: NDArray[np.float64], root: NDArray[np.float64], right: NDArray[Any]
) -> Decisions:
    """n products: probabilities of the likeliest leaf and its root, and how many of these two are right."""
    roots = roots.astype(np.int32)
    first, second = roots * 2 + ROOTS, roots * 2 + ROOTS + 1
    other_root = (roots + 1) % ROOTS
    truth = np.stack(
        [
            np.where(right >= 1, roots, other_root),
            np.select([right == 2, right == 1], [first, second], other_root * 2 + ROOTS),
        ],
        axis=1,
    )
    return Decisions(
        TopCandidates(np.arange(len(roots)), first, leaf),
        AncestorLevels(np.stack([roots, first], axis=1), np.stack([root, leaf], axis=1)),
        truth.astype(np.int32),
        roots,
        np.arange(len(roots)) % 5,
        np.full(len(roots), np.nan, np.float32),
    )


def drawn(random: np.random.Generator, count: int, overconfidence: float) -> Decisions:
    """Products of categories of which each is less clear than the one before; half are of the first."""
    roots = np.where(random.random(count) < 0.5, 0, random.integers(1, ROOTS, count))
    root = random.beta(24 - 2 * roots, 1.0)
    leaf = root * np.where(random.random(count) < 0.6, random.beta(300, 1.0, count), random.beta(4, 1.0, count))
    draw = random.random(count)
    right = (draw < root).astype(np.int64) + (draw < leaf - overconfidence * roots * leaf * (1 - leaf))
    return decisions(roots, leaf, root, right)


def shares_of_errors(policy: Policy, made: Decisions) -> tuple[float, float, float]:
    """Of what is assigned, of what is assigned under the largest category, of what is assigned or backed off."""
    assigned = policy.assigns(made.top, made.roots)
    level = policy.level(made.levels)
    backed_off = ~assigned & (level >= 0)
    right = made.levels.category == made.truth
    wrong_prefix = ~right[np.arange(len(level)), level] & backed_off
    wrong = ~made.right & assigned
    largest = made.roots == 0
    return (
        wrong.sum() / max(assigned.sum(), 1),
        (wrong & largest).sum() / max((assigned & largest).sum(), 1),
        (wrong | wrong_prefix).sum() / max((assigned | backed_off).sum(), 1),
    )


def test_each_promise_holds_on_new_products_as_often_as_it_says() -> None:
    population = drawn(np.random.default_rng(0), 200_000, overconfidence=0.05)
    broken = np.zeros(3)
    assigned = np.zeros(61)
    for seed in range(1, 61):
        policy = fit_policy(drawn(np.random.default_rng(seed), 3_000, overconfidence=0.05), BUDGET)
        assigned[seed] = policy.assigns(population.top, population.roots).mean()
        broken += np.array(shares_of_errors(policy, population)) > BUDGET.max_error
    # Where the chance of each is one in twenty, 8 of 60 or more are as likely as one in a hundred.
    assert (broken < 8).all()
    assert broken.any()
    assert np.median(assigned) > 0.5


@settings(max_examples=25)
@given(st.integers(0, 2**32 - 1), st.integers(0, 2_000), st.floats(0, 0.5))
def test_a_category_with_a_threshold_of_its_own_keeps_the_budget_where_it_was_chosen(
    seed: int, count: int, overconfidence: float
) -> None:
    made = drawn(np.random.default_rng(seed), count, overconfidence)
    policy = fit_policy(made, BUDGET)
    assert LEAST_ASSIGNED <= policy.assign <= NEVER
    assert all(own > policy.assign for own in policy.assign_under.values())
    for root, own in policy.assign_under.items():
        accepted = (made.roots == root) & (made.top.probability >= own)
        assert (~made.right[accepted]).sum() <= BUDGET.max_error * accepted.sum()


def repeated(*groups: tuple[int, int, float, float, float]) -> Decisions:
    """Groups of (products, root, probability of the leaf, of the root, share of leaves right); roots are right."""
    rows = [
        (root, leaf, of_root, 2 if (place * 7919) % count < round(share * count) else 1)
        for count, root, leaf, of_root, share in groups
        for place in range(count)
    ]
    columns = [np.array(column) for column in zip(*rows, strict=True)]
    return decisions(*columns)


def test_a_top_level_category_beyond_the_budget_is_assigned_less_though_all_together_keep_it() -> None:
    made = repeated((4_000, 0, 0.9, 0.95, 0.99), (400, 1, 0.9, 0.95, 0.8))
    assigned = fit_policy(made, BUDGET).assigns(made.top, made.roots)
    assert assigned[:4_000].all()
    assert not assigned[4_000:].any()


def test_few_products_of_a_top_level_category_say_too_little_to_judge_it_apart() -> None:
    made = repeated((4_000, 0, 0.9, 0.95, 0.99), (40, 1, 0.9, 0.95, 0.8))
    assert fit_policy(made, BUDGET).assign_under == {}


def test_what_a_strict_category_leaves_of_the_budget_is_used_by_the_others() -> None:
    # Were the 900 doubtful ones of the second category assigned, those of small categories would be too many.
    doubtful = (900, 1, 0.7, 0.95, 0.8)
    small = [(150, root, 0.6, 0.95, 0.7) for root in (2, 3, 4)]
    made = repeated((4_000, 0, 0.96, 0.97, 0.98), (900, 1, 0.97, 0.98, 0.98), doubtful, *small)
    policy = fit_policy(made, BUDGET)
    assigned = policy.assigns(made.top, made.roots)
    assert assigned[:4_900].all()
    assert not assigned[4_900:5_800].any()
    assert assigned[5_800:].all()


def test_an_assignment_more_likely_wrong_than_right_is_none_however_much_is_left() -> None:
    made = repeated((4_000, 0, 0.96, 0.97, 0.999), (100, 1, 0.4, 0.9, 0.4))
    policy = fit_policy(made, BUDGET)
    assert not policy.assigns(made.top, made.roots)[4_000:].any()
    assert (policy.level(made.levels)[4_000:] == 0).all()


def test_all_that_is_assigned_or_backed_off_keeps_the_budget_together() -> None:
    # All top-level categories are right: what is not assigned is backed off to the last product.
    made = repeated((4_000, 0, 0.95, 0.96, 0.97), (2_000, 0, 0.45, 0.6, 0.5))
    policy = fit_policy(made, BUDGET)
    assert policy.assign == pytest.approx(0.95)
    assert (policy.level(made.levels)[4_000:] == 0).all()


def test_nothing_is_decided_by_itself_where_nothing_is_known() -> None:
    nothing = repeated((300, 0, 0.9, 0.95, 0.1))
    assert not fit_policy(nothing, BUDGET).assigns(nothing.top, nothing.roots).any()
    none = np.empty(0)
    assert fit_policy(decisions(none, none, none, none), BUDGET) == Policy(NEVER, NEVER)
