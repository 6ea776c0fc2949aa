"""Assign, back off or review: exactly one, within the error budget."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from workers.fit.decisions import OutOfFoldDecisions, concatenate
from workers.fit.fit_policy import fit_policy
from workers.ranking.error_budget import NEVER, ErrorBudget
from workers.ranking.labelled import Labelled
from workers.ranking.likeliest import AncestorLevels, TopCandidates
from workers.ranking.new_stores import NewStores
from workers.ranking.policy import LEAST_ASSIGNED, Policy

BUDGET = ErrorBudget(max_error=0.05, risk=0.05)
ROOTS = 5
"""Nodes 0 to 4 are top-level categories; each has two leaves, of which the first is always the likeliest."""


def decisions(
    roots: NDArray[Any], leaf: NDArray[np.float64], root: NDArray[np.float64], right: NDArray[Any]
) -> OutOfFoldDecisions:
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
    return OutOfFoldDecisions(
        TopCandidates(np.arange(len(roots)), first, leaf),
        AncestorLevels(np.stack([roots, first], axis=1), np.stack([root, leaf], axis=1)),
        truth.astype(np.int32),
        roots,
        np.arange(len(roots)) % 5,
        Labelled(*np.full((2, len(roots)), np.nan, np.float32)),
        np.arange(len(roots)),
    )


def drawn(random: np.random.Generator, count: int, overconfidence: float) -> OutOfFoldDecisions:
    """Products of categories of which each is less clear than the one before; half are of the first."""
    roots = np.where(random.random(count) < 0.5, 0, random.integers(1, ROOTS, count))
    root = random.beta(24 - 2 * roots, 1.0)
    leaf = root * np.where(random.random(count) < 0.6, random.beta(300, 1.0, count), random.beta(4, 1.0, count))
    draw = random.random(count)
    right = (draw < root).astype(np.int64) + (draw < leaf - overconfidence * roots * leaf * (1 - leaf))
    return decisions(roots, leaf, root, right)


def chosen(made: OutOfFoldDecisions) -> Policy:
    """The policy where no store is new."""
    return fit_policy(made, NewStores(), BUDGET)


def shares_of_errors(policy: Policy, made: OutOfFoldDecisions) -> tuple[float, float, float]:
    """Of what is assigned, of what is assigned under the largest category, of what is assigned or backed off."""
    assigned = made.assigned(policy)
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
        policy = chosen(drawn(np.random.default_rng(seed), 3_000, overconfidence=0.05))
        assigned[seed] = population.assigned(policy).mean()
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
    policy = chosen(made)
    assert LEAST_ASSIGNED <= policy.assign <= NEVER
    assert all(own > policy.assign for own in policy.assign_under.values())
    for root, own in policy.assign_under.items():
        accepted = (made.roots == root) & (made.top.probability >= own)
        assert (~made.right[accepted]).sum() <= BUDGET.max_error * accepted.sum()


def repeated(*groups: tuple[int, int, float, float, float]) -> OutOfFoldDecisions:
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
    assigned = made.assigned(chosen(made))
    assert assigned[:4_000].all()
    assert not assigned[4_000:].any()


def test_few_products_of_a_top_level_category_say_too_little_to_judge_it_apart() -> None:
    made = repeated((4_000, 0, 0.9, 0.95, 0.99), (40, 1, 0.9, 0.95, 0.8))
    assert chosen(made).assign_under == {}


def of_brands(made: OutOfFoldDecisions, new: NDArray[np.bool_]) -> OutOfFoldDecisions:
    return replace(made, labelled=made.labelled._replace(brand=np.where(new, 0, 1).astype(np.float32)))


def test_new_brands_beyond_the_budget_are_assigned_less_though_all_together_keep_it() -> None:
    made = repeated((4_000, 0, 0.9, 0.95, 0.99), (400, 0, 0.9, 0.95, 0.8), (300, 0, 0.95, 0.96, 0.99))
    made = of_brands(made, np.arange(4_700) >= 4_000)
    policy = chosen(made)
    assigned = made.assigned(policy)
    assert assigned[:4_000].all()
    assert not assigned[4_000:4_400].any()
    assert assigned[4_400:].all()
    assert policy.assign == pytest.approx(0.9)
    assert policy.assign_new_brands == pytest.approx(0.95)


@pytest.mark.parametrize(("share_right", "assigned"), [(0.95, False), (1.0, True)])
def test_few_products_of_new_brands_are_assigned_only_where_the_bound_holds(
    share_right: float, assigned: bool
) -> None:
    made = repeated((4_000, 0, 0.9, 0.95, 0.99), (150, 0, 0.9, 0.95, share_right))
    policy = chosen(of_brands(made, np.arange(4_150) >= 4_000))
    assert (policy.assign_new_brands < 1) == assigned


def test_few_products_of_new_brands_that_are_likely_right_are_assigned_beside_some_that_are_not() -> None:
    made = repeated((4_000, 0, 0.9, 0.95, 0.99), (150, 0, 0.95, 0.96, 1.0), (40, 0, 0.3, 0.5, 0.0))
    made = of_brands(made, np.arange(4_190) >= 4_000)
    assert made.assigned(chosen(made))[4_000:].tolist() == [True] * 150 + [False] * 40


def test_where_most_products_name_no_brand_none_is_new() -> None:
    made = repeated((4_000, 0, 0.9, 0.95, 0.99), (3_999, 0, 0.9, 0.95, 0.5))
    unnamed = np.where(np.arange(7_999) < 4_000, np.nan, 0).astype(np.float32)
    made = replace(made, labelled=made.labelled._replace(brand=unnamed))
    assert chosen(made).assign_new_brands == 0


def test_a_brand_is_not_judged_apart_where_its_store_is() -> None:
    made = repeated((4_000, 0, 0.9, 0.95, 0.99), (4_000, 0, 0.95, 0.96, 0.99))
    known = np.repeat(np.array([20, 0], np.float32), 4_000)
    made = replace(made, labelled=Labelled(stores=known, brand=known))
    assert fit_policy(made, NewStores(), BUDGET).assign_new_brands < 1
    # What is left of new brands is nothing, which tells nothing.
    assert fit_policy(made, NewStores(10, 0.9), BUDGET).assign_new_brands == NEVER


def test_a_feed_of_nothing_but_new_brands_keeps_the_budget() -> None:
    broken, assigned = 0, np.zeros(40)
    for seed in range(40):
        random = np.random.default_rng(seed)

        def made(random: np.random.Generator = random) -> OutOfFoldDecisions:
            known, new = (drawn(random, 4_000, overconfidence) for overconfidence in (0.0, 0.3))
            return of_brands(concatenate([known, new]), np.arange(8_000) >= 4_000)

        policy, later = chosen(made()), made()
        later = later.take(later.labelled.new_brand)
        broken += shares_of_errors(policy, later)[0] > BUDGET.max_error
        assigned[seed] = later.assigned(policy).mean()
    # Where the chance is one in twenty, 6 of 40 or more are as likely as one in seventy.
    assert broken < 6
    assert np.median(assigned) > 0.3


def test_what_is_held_back_of_new_brands_leaves_a_category_of_theirs_to_the_others() -> None:
    # With them the category would not keep the budget.
    made = repeated((3_000, 0, 0.9, 0.95, 0.99), (400, 1, 0.9, 0.95, 0.99), (300, 1, 0.9, 0.95, 0.8))
    made = of_brands(made, np.arange(3_700) >= 3_400)
    policy = chosen(made)
    assert policy.assign_under == {}
    assert made.assigned(policy).tolist() == [True] * 3_400 + [False] * 300


def test_what_a_strict_category_leaves_of_the_budget_is_used_by_the_others() -> None:
    # Were the 900 doubtful ones of the second category assigned, those of small categories would be too many.
    doubtful = (900, 1, 0.7, 0.95, 0.8)
    small = [(150, root, 0.6, 0.95, 0.7) for root in (2, 3, 4)]
    made = repeated((4_000, 0, 0.96, 0.97, 0.98), (900, 1, 0.97, 0.98, 0.98), doubtful, *small)
    policy = chosen(made)
    assigned = made.assigned(policy)
    assert assigned[:4_900].all()
    assert not assigned[4_900:5_800].any()
    assert assigned[5_800:].all()


def test_an_assignment_more_likely_wrong_than_right_is_none_however_much_is_left() -> None:
    made = repeated((4_000, 0, 0.96, 0.97, 0.999), (100, 1, 0.4, 0.9, 0.4))
    policy = chosen(made)
    assert not made.assigned(policy)[4_000:].any()
    assert (policy.level(made.levels)[4_000:] == 0).all()


def test_all_that_is_assigned_or_backed_off_keeps_the_budget_together() -> None:
    # All top-level categories are right: what is not assigned is backed off to the last product.
    made = repeated((4_000, 0, 0.95, 0.96, 0.97), (2_000, 0, 0.45, 0.6, 0.5))
    policy = chosen(made)
    assert policy.assign == pytest.approx(0.95)
    assert (policy.level(made.levels)[4_000:] == 0).all()


def test_nothing_is_decided_by_itself_where_nothing_is_known() -> None:
    nothing = repeated((300, 0, 0.9, 0.95, 0.1))
    assert not nothing.assigned(chosen(nothing)).any()
    none = np.empty(0)
    assert chosen(decisions(none, none, none, none)) == Policy(NEVER, NEVER)
