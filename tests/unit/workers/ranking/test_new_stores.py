"""What a shop sells that nobody has looked at yet can be kept from being assigned, however sure the model is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np
import pytest

from schemas.events.batch import CandidateProduct, Outcome
from schemas.events.decision import NeedsReview
from schemas.events.position import SourcePosition
from schemas.events.product import Product
from tests.sample_model import sample_products
from workers.bundle.bundle import Bundle, load_bundle
from workers.candidates import Candidates
from workers.decisions import decision_event
from workers.ranking.policy import Policy
from workers.ranking.ranking import Verdict
from workers.statistics import NoStatistics, Statistics

pytestmark = pytest.mark.unit

PRODUCTS = [row.product for row in sample_products(8, 300)]
ELSEWHERE = [msgspec.structs.replace(product, stores=("Nobody Knows It",)) for product in PRODUCTS]
LEAST = 30.0


class Learned(NoStatistics):
    """The stream has learned that so many products of the new store are in one category."""

    def __init__(self, bundle: Bundle, products: float) -> None:
        first = int(np.flatnonzero(bundle.taxonomy.is_listed)[0])
        self._weights = {bundle.taxonomy.ids[first]: products}

    def store(self, key: str) -> Mapping[str, float]:
        return self._weights if key == "nobody knows it" else {}


@pytest.fixture(scope="module")
def bundle(sample_bundle: Path) -> Bundle:
    return load_bundle(sample_bundle)


def decide(
    bundle: Bundle, products: Sequence[Product], statistics: Statistics, least_store_weight: float
) -> list[Verdict]:
    policy = replace(bundle.ranking.policy, least_store_weight=least_store_weight)
    candidates = bundle.recall.candidates(products, statistics)
    return replace(bundle.ranking, policy=policy).decide(candidates)


def reviewed(verdicts: Sequence[Verdict]) -> list[bool]:
    return [verdict.outcome is Outcome.NEEDS_REVIEW for verdict in verdicts]


def test_products_of_a_new_store_go_to_review_and_are_as_likely_as_before(bundle: Bundle) -> None:
    free, held = (decide(bundle, ELSEWHERE, NoStatistics(), least) for least in (0.0, LEAST))
    assert not all(reviewed(free))
    assert all(reviewed(held))
    assert [each.of_new_store for each in held] == [not each for each in reviewed(free)]
    assert [each.alternatives for each in held] == [each.alternatives for each in free]


def test_nothing_is_held_up_of_a_store_of_which_enough_is_labelled(bundle: Bundle) -> None:
    free, held = (decide(bundle, PRODUCTS, NoStatistics(), least) for least in (0.0, 1.0))
    assert held == free


@pytest.mark.parametrize(("products", "enough"), [(LEAST - 1, False), (LEAST, True)])
def test_what_the_stream_learns_of_a_store_ends_it(bundle: Bundle, products: float, enough: bool) -> None:
    statistics = Learned(bundle, products)
    free, held = (decide(bundle, ELSEWHERE, statistics, least) for least in (0.0, LEAST))
    assert (held == free) is enough
    assert any(each.of_new_store for each in held) is not enough


def test_the_products_of_all_stores_that_sell_it_count(bundle: Bundle) -> None:
    (store,) = {store for product in PRODUCTS[:1] for store in product.stores[:1]}
    both = [msgspec.structs.replace(product, stores=("Nobody Knows It", store)) for product in PRODUCTS]
    free, held = (decide(bundle, both, NoStatistics(), least) for least in (0.0, 1.0))
    assert held == free


def test_of_a_product_without_a_store_nothing_is_known(bundle: Bundle) -> None:
    nowhere = [msgspec.structs.replace(product, stores=()) for product in PRODUCTS]
    assert all(reviewed(decide(bundle, nowhere, NoStatistics(), 1.0)))


def test_without_the_signal_of_stores_none_is_known() -> None:
    none = np.empty(0, np.int32)
    candidates = Candidates(
        (),
        (),
        np.zeros(3, np.int64),
        none,
        np.empty((0, 0), np.float32),
        np.empty((0, 0), np.bool_),
        np.empty((2, 0), np.float32),
    )
    assert Policy(0.9, 0.8).knows_store(candidates).all()
    assert not Policy(0.9, 0.8, least_store_weight=1.0).knows_store(candidates).any()


def test_whoever_reviews_is_told_why(bundle: Bundle) -> None:
    held = decide(bundle, ELSEWHERE, NoStatistics(), LEAST)
    about = CandidateProduct(offset=1, timestamp_ms=0, product_id="p")
    events = [decision_event(each, about, SourcePosition("t", 0, 1), bundle.taxonomy, "m") for each in held]
    assert {event.reason for event in events if isinstance(event, NeedsReview)} == {"new_store", "low_confidence"}


def test_the_choice_is_kept_in_the_bundle() -> None:
    policy = Policy(0.9, 0.8, {3: 0.95}, 0.7, LEAST)
    assert Policy.from_json(policy.to_json()) == policy
