"""Stores are held out to learn how sure to be of what a shop sells that the model knows little of."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.events.product import Product
from tests.sample_model import sample_products
from tests.unit.workers.fit.test_fit_policy import decisions
from workers.fit.decisions import OutOfFoldDecisions, concatenate
from workers.fit.fit import FitOptions, fit
from workers.fit.fit_new_stores import fit_new_stores
from workers.fit.fit_policy import fit_policy
from workers.fit.fit_ranking import RankingData, RankingOptions, fit_ranking
from workers.fit.held_out_stores import FEWEST_STORES, hold_out_stores, names_stores
from workers.fit.labels import label_products
from workers.ranking.error_budget import NEVER, ErrorBudget
from workers.ranking.labelled import Labelled
from workers.ranking.new_stores import NewStores
from workers.ranking.policy import LEAST_ASSIGNED
from workers.ranking.ranker import RankerOptions
from workers.sample import sample_taxonomy

NAMES = [f"shop {number}" for number in range(FEWEST_STORES)]


def product(number: int, stores: tuple[str, ...]) -> Product:
    return Product(product_id=str(number), title=f"Thing {number}", stores=stores)


_stores = st.lists(st.sampled_from(NAMES), unique=True, max_size=3).map(tuple)


@given(st.lists(_stores, max_size=100))
def test_every_store_is_held_out_once_and_its_products_asked_about_in_one_turn(
    stores: list[tuple[str, ...]],
) -> None:
    # Two more of each: there are enough stores then, and none is very large.
    stores += [(name,) for name in NAMES] * 2
    turns = hold_out_stores([product(number, each) for number, each in enumerate(stores)])
    held_out: list[str] = []
    for turn in turns:
        unknown = np.flatnonzero(~turn.known)
        sold_by = {name for name in NAMES if all(name not in stores[row] for row in np.flatnonzero(turn.known))}
        held_out += sold_by
        assert all(sold_by.intersection(stores[row]) for row in unknown)
        assert set(turn.asked.tolist()) <= set(unknown.tolist())
        assert len(set(turn.stores.tolist())) <= len(sold_by)
    assert sorted(held_out) == sorted(NAMES)
    asked = np.concatenate([turn.asked for turn in turns])
    assert sorted(asked.tolist()) == [row for row, each in enumerate(stores) if each]


def test_a_very_large_store_is_never_held_out_and_does_not_stand_for_the_others_it_sells_with() -> None:
    stores = [("Market", f"shop {number % 120}") for number in range(1_200)]
    turns = hold_out_stores([product(number, each) for number, each in enumerate(stores)])
    assert sorted(np.concatenate([turn.asked for turn in turns]).tolist()) == list(range(1_200))
    assert [int(turn.known.sum()) for turn in turns] == [800, 800, 800]
    assert [len(set(turn.stores.tolist())) for turn in turns] == [40, 40, 40]


def test_a_large_store_has_no_more_say_than_fifty_of_its_products() -> None:
    stores = [("Large",) if number < 90 else (f"shop {number % 150}",) for number in range(1_000)]
    turns = hold_out_stores([product(number, each) for number, each in enumerate(stores)])
    asked = np.concatenate([turn.asked for turn in turns])
    assert (asked < 90).sum() == 50
    assert (asked >= 90).sum() == 910
    assert sorted(int((~turn.known[:90]).sum()) for turn in turns) == [0, 0, 90]


@pytest.mark.parametrize("shops", [0, 1, FEWEST_STORES - 1])
def test_nothing_is_held_out_where_there_are_few_stores(shops: int) -> None:
    stores = [(f"Shop {number % shops}",) if shops else () for number in range(2_000)]
    assert hold_out_stores([product(number, each) for number, each in enumerate(stores)]) == []


def test_nothing_is_held_out_where_most_products_name_no_store() -> None:
    stores = [(f"Shop {number}",) if number % 2 else () for number in range(1_000)]
    products = [product(number, each) for number, each in enumerate(stores)]
    assert not names_stores(products)
    assert hold_out_stores(products) == []


def of_shops(count: int, probability: float, share_right: float) -> OutOfFoldDecisions:
    """Products whose top-level category is as likely as the leaf, and right where the leaf is."""
    right = np.where((np.arange(count) * 7919) % count < round(share_right * count), 2, 0)
    sure = np.full(count, probability)
    return replace(decisions(np.zeros(count), sure, sure, right), folds=np.arange(count) % 3)


def fitted(*parts: OutOfFoldDecisions, stores: int = 300) -> NewStores:
    """Thresholds by decisions of which each part is spread evenly over so many stores."""
    numbers = [np.arange(len(part.folds)) % stores for part in parts]
    return fit_new_stores(concatenate(parts), np.concatenate(numbers), ErrorBudget())


def test_what_is_asked_is_what_kept_the_budget_in_stores_held_out() -> None:
    found = fitted(of_shops(3_000, 0.95, 0.99), of_shops(3_000, 0.9, 0.97), of_shops(3_000, 0.8, 0.7))
    assert found == NewStores(10, 0.9, NEVER)


def test_what_is_not_assigned_there_is_backed_off_as_far_as_both_keep_the_budget() -> None:
    # The top-level category of all but the last is right.
    sure, wrong = of_shops(6_000, 0.95, 0.98), of_shops(3_000, 0.7, 0.0)
    unsure = of_shops(3_000, 0.8, 1.0)
    levels = replace(unsure.levels, probability=np.full((3_000, 2), (0.8, 0.4)))
    unsure = replace(unsure, levels=levels, top=replace(unsure.top, probability=levels.probability[:, 1]))
    assert fitted(sure, unsure, wrong) == NewStores(10, 0.95, 0.8)


def test_a_share_that_only_just_keeps_the_budget_is_no_promise() -> None:
    assert fitted(of_shops(600, 0.9, 0.96)).assign == NEVER
    assert fitted(of_shops(60_000, 0.9, 0.96)).assign == 0.9


def test_what_a_few_stores_did_right_says_nothing_of_the_next() -> None:
    right = of_shops(40_000, 0.9, 1.0)
    assert fitted(right, stores=FEWEST_STORES).assign == 0.9
    assert fitted(right, stores=FEWEST_STORES - 1) == NewStores(10, NEVER, NEVER)


def test_the_surest_decisions_may_be_of_few_stores() -> None:
    sure, others = of_shops(400, 0.99, 1.0), of_shops(6_000, 0.95, 1.0)
    stores = np.concatenate([np.zeros(400, np.int64), np.arange(6_000) % 300])
    assert fit_new_stores(concatenate([sure, others]), stores, ErrorBudget()).assign == 0.95


def test_a_giant_does_not_stand_for_the_others() -> None:
    giant, others = of_shops(60_000, 0.9, 1.0), of_shops(3_000, 0.9, 0.8)
    stores = np.concatenate([np.zeros(60_000, np.int64), np.arange(3_000) % 300])
    assert fit_new_stores(concatenate([giant, others]), stores, ErrorBudget()).assign == NEVER


def passes(stores: int, error: float) -> int:
    """How many of 200 draws of so many stores, which differ in size and error, are found to keep the budget."""
    random = np.random.default_rng(stores)
    passed = 0
    for _ in range(200):
        sizes = np.ceil(random.lognormal(2.0, 0.5, stores)).astype(np.int64)
        of_store = np.repeat(np.arange(stores), sizes)
        right = random.random(len(of_store)) >= random.beta(error * 5, (1 - error) * 5, stores)[of_store]
        sure = np.full(len(of_store), 0.9)
        made = decisions(np.zeros(len(of_store)), sure, sure, np.where(right, 2, 0))
        passed += fit_new_stores(made, of_store, ErrorBudget()).assign < 1
    return passed


@pytest.mark.parametrize("stores", [150, 300])
def test_stores_that_differ_break_the_promise_as_seldom_as_it_says(stores: int) -> None:
    # Where the chance is one in twenty, more than 18 of 200 are as likely as one in a hundred.
    assert passes(stores, 0.055) <= 18
    assert passes(stores, 0.02) > 150


def test_nothing_more_likely_wrong_than_right_is_assigned_in_any_store() -> None:
    assert fitted(of_shops(3_000, 0.3, 1.0)).assign == LEAST_ASSIGNED


def test_what_becomes_of_products_of_new_stores_is_fixed_before_the_other_thresholds_are_chosen() -> None:
    known, new = of_shops(3_000, 0.9, 0.97), of_shops(3_000, 0.95, 0.9)
    labelled = np.repeat(np.array([50, 0], np.float32), 3_000)
    both = replace(concatenate([known, new]), labelled=Labelled(labelled, labelled))
    for rule, assigned in ((NewStores(10), 3_000), (NewStores(10, 0.9), 0)):
        # Were all that is as likely assigned, 6.5 % would be wrong.
        policy = fit_policy(both, rule, ErrorBudget())
        assert both.with_new_stores_fixed(rule).assigned(policy).sum() == assigned


def test_a_fit_asks_about_products_of_stores_that_it_did_not_learn_from(monkeypatch: pytest.MonkeyPatch) -> None:
    tree = sample_taxonomy()
    labelled = label_products(sample_products(3, 600), tree)
    sold = [
        msgspec.structs.replace(product, stores=(f"Shop {at % 120}",))
        for at, product in enumerate(labelled.products)
    ]
    labelled = replace(labelled, products=sold)
    data: list[RankingData] = []

    def keep(given: RankingData, *rest: Any) -> Any:
        data.append(given)
        return fit_ranking(given, *rest)

    monkeypatch.setattr("workers.fit.fit.fit_ranking", keep)
    options = FitOptions(folds=2, ranking=RankingOptions(ranker=RankerOptions(trees=5)))
    with TemporaryDirectory() as directory:
        report = fit(labelled, tree, Path(directory) / "bundle", options)
    turns = hold_out_stores(sold)
    assert [new.asked.labels.tolist() for new in data[0].of_new_stores] == [
        labelled.labels[turn.asked].tolist() for turn in turns
    ]
    for new, turn in zip(data[0].of_new_stores, turns, strict=True):
        assert (Labelled.of(new.asked.candidates).stores == 0).all()
        assert Counter(data[0].out_of_fold.labels[new.known]) == Counter(labelled.labels[turn.known])
        assert new.asked.relevant.sum() > len(turn.asked) / 2
    assert report.metrics["out_of_fold"]["new_stores"]["products"] == len(sold)
