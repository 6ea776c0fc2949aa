"""Thresholds keep the budget as often as they say."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from workers.ranking import error_budget
from workers.ranking.error_budget import NEVER, ErrorBudget, threshold_observed

BUDGET = ErrorBudget(max_error=0.05, risk=0.05)


def threshold(probability: NDArray[np.float64], right: NDArray[np.bool_], budget: ErrorBudget = BUDGET) -> float:
    """The threshold where no two products are alike."""
    return error_budget.threshold(probability, right, np.arange(len(right)), budget)


@given(st.integers(0, 2**32 - 1), st.floats(0.3, 0.99))
def test_what_is_accepted_keeps_the_budget_on_the_data_it_was_chosen_on(seed: int, skill: float) -> None:
    random = np.random.default_rng(seed)
    probability = random.beta(4 * skill, 4 * (1 - skill), 2_000)
    right = random.random(2_000) < probability
    bounded = probability >= threshold(probability, right)
    observed = probability >= threshold_observed(probability, right, BUDGET.max_error)
    for accepted in (bounded, observed):
        assert (~right[accepted]).sum() <= BUDGET.max_error * accepted.sum()
    assert bounded.sum() <= observed.sum()


@given(st.lists(st.tuples(st.integers(1, 9), st.booleans()), max_size=40))
def test_a_threshold_lower_than_the_observed_one_breaks_the_budget(pairs: list[tuple[int, bool]]) -> None:
    probability = np.array([tenths / 10 for tenths, _ in pairs])
    right = np.array([each for _, each in pairs], np.bool_)
    least = threshold_observed(probability, right, 0.25)
    for lower in np.unique(probability[probability < least]):
        assert (~right[probability >= lower]).mean() > 0.25


def test_the_budget_holds_on_new_data_as_often_as_it_says() -> None:
    broken = 0
    for seed in range(400):
        random = np.random.default_rng(seed)
        # An overconfident model: its probabilities cannot be taken at their word.
        probability = random.random(1_500)
        right = random.random(1_500) < 0.5 + 0.5 * probability**2
        least = threshold(probability, right)
        true_error = 1 - (0.5 + 0.5 * np.linspace(min(least, 1), 1, 1_001) ** 2).mean()
        broken += least <= 1 and true_error > BUDGET.max_error
    assert 0 < broken <= 400 * BUDGET.risk


@pytest.mark.parametrize("copies", [2, 10])
def test_the_budget_holds_as_often_where_near_duplicates_are_wrong_together(copies: int) -> None:
    """Taken for independent, ten of a kind each would break it in a fifth of all cases."""
    broken = 0
    groups = np.repeat(np.arange(4_000 // copies), copies)
    for seed in range(200):
        random = np.random.default_rng(seed)
        kinds = 0.5 + 0.5 * random.random(4_000 // copies)
        probability = np.repeat(kinds, copies)
        right = np.repeat(random.random(len(kinds)) < kinds, copies)
        least = error_budget.threshold(probability, right, groups, BUDGET)
        broken += least <= 1 and (1 - least) / 2 > BUDGET.max_error
    assert broken <= 200 * BUDGET.risk


def test_the_budget_holds_as_often_where_only_the_surest_are_alike() -> None:
    """By the design effect of all decisions it would be broken in a sixth of all cases."""
    kinds = 4_000
    copies = np.where(np.arange(kinds) < 0.1 * kinds, 10, 1)
    groups = np.repeat(np.arange(kinds), copies)
    broken = 0
    for seed in range(200):
        random = np.random.default_rng(seed)
        chance = np.where(copies > 1, 0.9 + 0.1 * random.random(kinds), 0.3 + 0.4 * random.random(kinds))
        right = np.repeat(random.random(kinds) < np.where(copies > 1, 0.9495, chance), copies)
        broken += error_budget.threshold(np.repeat(chance, copies), right, groups, BUDGET) <= 1
    assert broken <= 200 * BUDGET.risk


@pytest.mark.parametrize(("count", "copies", "max_error"), [(400, 1, 0.01), (1_500, 8, 0.05)])
def test_no_search_begins_where_not_even_faultless_decisions_could_pass(
    count: int, copies: int, max_error: float
) -> None:
    probability = np.linspace(1, 0.999, count)
    groups = np.arange(count) // copies
    budget = ErrorBudget(max_error=max_error, risk=0.05)
    assert error_budget.threshold(probability, np.ones(count, np.bool_), groups, budget) <= 0.999


def test_some_wrong_ones_by_chance_among_the_surest_do_not_keep_all_the_others_back() -> None:
    probability = np.linspace(1, 0.5, 2_000)
    right = np.ones(2_000, np.bool_)
    right[:200:33] = False
    assert threshold(probability, right) == pytest.approx(0.5)
    right[:1_000:20] = False
    assert threshold(probability[:1_200], right[:1_200]) == NEVER


def test_nothing_is_accepted_where_nothing_is_known() -> None:
    random = np.random.default_rng(0)
    assert threshold(random.random(500), random.random(500) < 0.5) == NEVER
    assert threshold(np.empty(0), np.empty(0, bool)) == NEVER
    assert threshold_observed(np.empty(0), np.empty(0, bool), 0.05) == NEVER


def test_what_has_no_probability_is_never_accepted() -> None:
    probability = np.where(np.arange(1_000) < 700, 0.9, 0.0)
    assert threshold(probability, np.ones(1_000, bool)) == pytest.approx(0.9)
    assert threshold_observed(probability, np.ones(1_000, bool), 0.05) == pytest.approx(0.9)


def test_what_is_held_back_keeps_none_of_the_few_others_back() -> None:
    """Tests began at the 200th of all, which none of these had a probability for, and nothing was accepted."""
    probability = np.where(np.arange(320) < 140, 0.99, 0.0)
    assert threshold(probability, np.ones(320, bool)) == pytest.approx(0.99)


def test_a_sure_model_is_accepted_to_the_last() -> None:
    probability = np.linspace(0.5, 1, 1_000)
    assert threshold(probability, np.ones(1_000, bool)) == pytest.approx(0.5)
