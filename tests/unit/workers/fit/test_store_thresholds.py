"""Stores are held out to learn how sure to be of what a shop sells that the model knows little of."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.events.product import Product
from tests.unit.workers.fit.test_fit_policy import decisions
from workers.fit.decisions import Decisions, together
from workers.fit.fit_store_thresholds import fit_store_thresholds, unmet_store_thresholds
from workers.fit.held_out_stores import FEWEST_STORES, split_stores
from workers.ranking.error_budget import NEVER, ErrorBudget
from workers.ranking.policy import LEAST_ASSIGNED
from workers.ranking.store_thresholds import StoreThresholds
from workers.statistics import normalise_key

pytestmark = pytest.mark.unit

FIFTY = [f"Shop {number}" for number in range(50)]


def product(number: int, stores: tuple[str, ...]) -> Product:
    return Product(product_id=str(number), title=f"Thing {number}", stores=stores)


_stores = st.lists(st.sampled_from(FIFTY), unique=True, max_size=2).map(tuple)


@given(st.lists(_stores, max_size=200), st.integers(0, 9))
def test_a_product_is_learned_from_or_asked_about_and_each_store_is_held_out_once(
    stores: list[tuple[str, ...]], seed: int
) -> None:
    # Twenty more, each of one product: there are enough stores then.
    stores += [(f"Small {number}",) for number in range(20)] + [(name,) for name in FIFTY]
    splits = split_stores([product(number, each) for number, each in enumerate(stores)], seed)
    if 2 * sum(map(bool, stores)) <= len(stores):
        assert splits == []
        return
    held_out = [{normalise_key(store) for row in split.asked for store in stores[row]} for split in splits]
    for split in splits:
        assert split.asked.tolist() == np.flatnonzero(~split.known).tolist()
        for store in {store for each in stores for store in each}:
            own = np.array([store in each for each in stores])
            alone = own & np.array([each == (store,) for each in stores])
            if (alone & ~split.known).any():
                assert (own & split.known).sum() <= 5
    assert {normalise_key(store) for each in stores for store in each} >= set().union(*held_out)
    assert all(stores[row] for split in splits for row in split.asked)


def test_each_store_is_held_out_once_and_of_half_of_them_nothing_is_left() -> None:
    products = [product(number, (f"Shop {number % 60}",)) for number in range(60 * 9)]
    left = []
    for split in split_stores(products, 0):
        shops = {int(row) % 60 for row in split.asked}
        left += [int(split.known[shop::60].sum()) for shop in shops]
        assert len(set(zip(split.asked % 60, split.stores, strict=True))) == len(shops)
    assert sorted(left) == [0] * 30 + [5] * 30


@pytest.mark.parametrize("shops", [0, 1, 59])
def test_nothing_is_held_out_where_there_are_few_stores(shops: int) -> None:
    stores = [(f"Shop {number % shops}",) if shops else () for number in range(600)]
    assert split_stores([product(number, each) for number, each in enumerate(stores)], 0) == []


def of_shops(count: int, labelled: float, probability: float, share_right: float) -> Decisions:
    """Products whose top-level category is as likely as the leaf, and right where the leaf is."""
    right = np.where((np.arange(count) * 7919) % count < round(share_right * count), 2, 0)
    sure = np.full(count, probability)
    made = decisions(np.zeros(count), sure, sure, right)
    return replace(made, labelled=np.full(count, labelled, np.float32))


def fitted(*parts: Decisions, stores: int = 50) -> StoreThresholds:
    """Thresholds by decisions of which each part is spread evenly over so many stores."""
    numbers = [np.arange(len(part.labelled)) % stores for part in parts]
    return fit_store_thresholds(together(parts), np.concatenate(numbers), ErrorBudget())


def test_what_is_asked_is_what_kept_the_budget_in_stores_so_little_known() -> None:
    unknown = [of_shops(1_000, 0, 0.95, 0.99), of_shops(1_000, 0, 0.9, 0.8)]
    few = [of_shops(1_000, 5, 0.8, 0.98), of_shops(1_000, 5, 0.6, 0.5)]
    many = of_shops(1_000, 10, 0.7, 0.99)
    assert fitted(*unknown, *few, many) == StoreThresholds((1, 10), (0.95, 0.8), (NEVER, NEVER))


def test_what_is_not_assigned_there_is_backed_off_as_far_as_both_keep_the_budget() -> None:
    # The top-level category of all but the last is right.
    sure, unsure, wrong = (
        of_shops(2_000, 0, 0.95, 0.98),
        of_shops(1_000, 0, 0.8, 1.0),
        of_shops(1_000, 0, 0.7, 0.0),
    )
    levels = replace(unsure.levels, probability=np.full((1_000, 2), (0.8, 0.4)))
    unsure = replace(unsure, levels=levels, top=replace(unsure.top, probability=levels.probability[:, 1]))
    assert fitted(sure, unsure, wrong) == StoreThresholds((1, 10), (0.95, 0.95), (0.8, 0.8))


def test_less_is_never_asked_where_less_is_known() -> None:
    lucky, unlucky = of_shops(1_000, 0, 0.6, 1.0), [of_shops(1_000, 5, 0.9, 0.99), of_shops(1_000, 5, 0.8, 0.5)]
    assert fitted(lucky, *unlucky).assign == (0.9, 0.9)


def test_with_too_few_decisions_those_in_stores_less_known_tell() -> None:
    assert fitted(of_shops(1_000, 0, 0.9, 0.99), of_shops(50, 5, 0.6, 1.0)).assign == (0.9, 0.9)


def test_a_share_that_only_just_keeps_the_budget_is_no_promise() -> None:
    assert fitted(of_shops(400, 0, 0.9, 0.96)).assign == (NEVER, NEVER)
    assert fitted(of_shops(40_000, 0, 0.9, 0.96)).assign == (0.9, 0.9)


def test_what_a_few_stores_did_right_says_nothing_of_the_next() -> None:
    right = of_shops(40_000, 0, 0.9, 1.0)
    assert fitted(right, stores=FEWEST_STORES).assign == (0.9, 0.9)
    assert fitted(right, stores=FEWEST_STORES - 1) == StoreThresholds((1, 10), (NEVER, NEVER), (NEVER, NEVER))


def test_one_store_that_goes_wrong_altogether_counts_for_more_than_its_products() -> None:
    decisions = [of_shops(39_000, 0, 0.9, 1.0), of_shops(1_400, 0, 0.9, 0.0)]
    stores = np.concatenate([np.arange(39_000) % 39, np.full(1_400, 39)])
    spread = np.arange(40_400) % 40
    kept = [fit_store_thresholds(together(decisions), of, ErrorBudget()).assign for of in (stores, spread)]
    assert kept == [(NEVER, NEVER), (0.9, 0.9)]


@pytest.mark.parametrize(("named", "asked"), [(0, ()), (300, ()), (301, (1, 10))])
def test_nothing_is_asked_where_most_products_name_no_store(named: int, asked: tuple[int, ...]) -> None:
    labelled = np.where(np.arange(600) < named, 7, np.nan).astype(np.float32)
    found = unmet_store_thresholds(labelled)
    assert found.below == asked
    assert all(least > 1 for least in (*found.assign, *found.back_off))


def test_nothing_more_likely_wrong_than_right_is_assigned_in_any_store() -> None:
    assert fitted(of_shops(1_000, 0, 0.3, 1.0)).assign == (LEAST_ASSIGNED,) * 2
