"""What a shop sells of which the model knows few labelled products is decided by itself only where it is surer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.events.batch import CandidateProduct, Outcome
from schemas.events.decision import NeedsReview
from schemas.events.position import SourcePosition
from schemas.events.product import Product
from tests.sample_model import sample_products
from workers.bundle.bundle import Bundle, load_bundle
from workers.candidates import Candidates
from workers.decisions import decision_event
from workers.ranking.error_budget import NEVER
from workers.ranking.likeliest import AncestorLevels, TopCandidates
from workers.ranking.policy import Policy
from workers.ranking.ranking import Verdict
from workers.ranking.store_thresholds import StoreThresholds, labelled_of
from workers.statistics import NoStatistics, Statistics

pytestmark = pytest.mark.unit

PRODUCTS = [row.product for row in sample_products(8, 300)]
ELSEWHERE = [msgspec.structs.replace(product, stores=("Nobody Knows It",)) for product in PRODUCTS]
ASKS_NOTHING = StoreThresholds()
ASKS_ALL_OF_THE_UNKNOWN = StoreThresholds((1,), (NEVER,), (NEVER,))


class Learned(NoStatistics):
    """The stream has learned that a thousand products of the new store are in one category."""

    def __init__(self, bundle: Bundle) -> None:
        first = int(np.flatnonzero(bundle.taxonomy.is_listed)[0])
        self._weights = {bundle.taxonomy.ids[first]: 1_000.0}

    def store(self, key: str) -> Mapping[str, float]:
        return self._weights if key == "nobody knows it" else {}


@pytest.fixture(scope="module")
def bundle(sample_bundle: Path) -> Bundle:
    return load_bundle(sample_bundle)


def decide(
    bundle: Bundle, products: Sequence[Product], stores: StoreThresholds, statistics: Statistics | None = None
) -> list[Verdict]:
    candidates = bundle.recall.candidates(products, statistics or NoStatistics())
    return replace(bundle.ranking, policy=replace(bundle.ranking.policy, stores=stores)).decide(candidates)


def reviewed(verdicts: Sequence[Verdict]) -> list[bool]:
    return [verdict.outcome is Outcome.NEEDS_REVIEW for verdict in verdicts]


def test_products_of_a_new_store_go_to_review_and_are_as_likely_as_before(bundle: Bundle) -> None:
    free, held = (decide(bundle, ELSEWHERE, stores) for stores in (ASKS_NOTHING, ASKS_ALL_OF_THE_UNKNOWN))
    assert not all(reviewed(free))
    assert all(reviewed(held))
    assert [each.of_new_store for each in held] == [not each for each in reviewed(free)]
    assert [each.alternatives for each in held] == [each.alternatives for each in free]


@pytest.mark.parametrize("stores", [(), ("Nobody Knows It", PRODUCTS[0].stores[0])])
def test_nothing_is_held_back_without_a_store_nor_where_one_of_several_is_known(
    bundle: Bundle, stores: tuple[str, ...]
) -> None:
    there = [msgspec.structs.replace(product, stores=stores) for product in PRODUCTS]
    assert decide(bundle, there, ASKS_ALL_OF_THE_UNKNOWN) == decide(bundle, there, ASKS_NOTHING)


def test_what_the_stream_learns_of_a_store_does_not_make_it_known(bundle: Bundle) -> None:
    assert all(reviewed(decide(bundle, ELSEWHERE, ASKS_ALL_OF_THE_UNKNOWN, Learned(bundle))))


def test_whoever_reviews_is_told_why(bundle: Bundle) -> None:
    held = decide(bundle, ELSEWHERE, ASKS_ALL_OF_THE_UNKNOWN)
    about = CandidateProduct(offset=1, timestamp_ms=0, product_id="p")
    events = [decision_event(each, about, SourcePosition("t", 0, 1), bundle.taxonomy, "m") for each in held]
    assert {event.reason for event in events if isinstance(event, NeedsReview)} == {"new_store", "low_confidence"}


def test_what_is_not_sure_enough_to_be_assigned_there_may_be_backed_off(bundle: Bundle) -> None:
    held = decide(bundle, ELSEWHERE, StoreThresholds((1,), (NEVER,), (0.5,)))
    assert {each.outcome for each in held} == {Outcome.BACKED_OFF, Outcome.NEEDS_REVIEW}


def test_how_much_is_labelled_of_its_stores_is_no_feature(bundle: Bundle) -> None:
    candidates = bundle.recall.candidates(PRODUCTS[:5], NoStatistics())
    assert (labelled_of(candidates) > 0).all()
    names = bundle.ranking.features.build(candidates).names
    assert "store_cooccurrence_log_weight" in names
    assert "store_cooccurrence_labelled" not in names


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
    assert np.isnan(labelled_of(candidates)).all()


@given(st.lists(st.tuples(st.one_of(st.none(), st.integers(0, 99)), st.floats(0.01, 1)), min_size=1))
def test_what_is_asked_goes_by_the_band_that_a_store_is_in(products: list[tuple[int | None, float]]) -> None:
    asked = StoreThresholds((1, 10, 50), (0.9, 0.8, 0.7), (0.6, 0.5, 0.4))
    labelled = np.array([np.nan if known is None else known for known, _ in products], np.float32)
    probability = np.array([each for _, each in products])
    rows = np.arange(len(products))
    top = TopCandidates(rows, rows.astype(np.int32), probability)
    levels = AncestorLevels(rows[:, None].astype(np.int32), probability[:, None])
    left, left_levels = asked.hold_back(top, levels, labelled)
    for place, (known, sure) in enumerate(products):
        band = 3 if known is None else sum(known >= below for below in asked.below)
        assert left.probability[place] == (sure if sure >= (*asked.assign, 0)[band] else 0)
        assert left_levels.probability[place] == (sure if sure >= (*asked.back_off, 0)[band] else 0)


def test_the_thresholds_are_kept_in_the_bundle() -> None:
    policy = Policy(0.9, 0.8, {3: 0.95}, 0.7, StoreThresholds((1, 10), (NEVER, 0.9), (0.99, 0.9)))
    assert Policy.from_json(msgspec.json.decode(msgspec.json.encode(policy.to_json()))) == policy
