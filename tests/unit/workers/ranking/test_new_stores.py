"""What a new store sells is decided by thresholds of its own, or by a person."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.events.batch import CandidateProduct, Outcome
from schemas.events.decision import NeedsReview
from schemas.events.position import SourcePosition
from schemas.events.product import Product
from tests.learned_statistics import thousand_products
from tests.sample_model import FITTED, sample_products
from workers.bundle.bundle import Bundle
from workers.decisions import decision_event
from workers.fit.labels import label_products
from workers.ranking.error_budget import NEVER
from workers.ranking.labelled import Labelled
from workers.ranking.likeliest import AncestorLevels, TopCandidates
from workers.ranking.new_stores import NewStores
from workers.ranking.policy import Policy
from workers.ranking.ranking import Prediction
from workers.recall.candidates import Candidates
from workers.sample import sample_taxonomy
from workers.statistics import NoStatistics, Statistics, normalise_key

PRODUCTS = [row.product for row in sample_products(8, 300)]
ELSEWHERE = [msgspec.structs.replace(product, stores=("Nobody Knows It",)) for product in PRODUCTS]
STORES = sorted({store for product in PRODUCTS for store in product.stores})[:3]
NONE_IS_NEW = NewStores()
ALWAYS_REVIEW = NewStores(10)


def decide(
    bundle: Bundle, products: Sequence[Product], new_stores: NewStores, statistics: Statistics | None = None
) -> list[Prediction]:
    candidates = bundle.recall.candidates(products, statistics or NoStatistics())
    return replace(bundle.ranking, policy=replace(bundle.ranking.policy, new_stores=new_stores)).decide(candidates)


def reviewed(predictions: Sequence[Prediction]) -> list[bool]:
    return [prediction.outcome is Outcome.NEEDS_REVIEW for prediction in predictions]


def test_products_of_a_new_store_go_to_review_and_are_as_likely_as_before(bundle: Bundle) -> None:
    free, held = (decide(bundle, ELSEWHERE, stores) for stores in (NONE_IS_NEW, ALWAYS_REVIEW))
    assert not all(reviewed(free))
    assert all(reviewed(held))
    assert [each.held_back_for_new_store for each in held] == [not each for each in reviewed(free)]
    assert [each.alternatives for each in held] == [each.alternatives for each in free]


@pytest.mark.parametrize("stores", [(), ("Nobody Knows It", PRODUCTS[0].stores[0])])
def test_nothing_is_held_back_without_a_store_nor_where_one_of_several_is_known(
    bundle: Bundle, stores: tuple[str, ...]
) -> None:
    there = [msgspec.structs.replace(product, stores=stores) for product in PRODUCTS]
    assert decide(bundle, there, ALWAYS_REVIEW) == decide(bundle, there, NONE_IS_NEW)


def test_what_the_stream_learns_of_a_store_does_not_make_it_known(bundle: Bundle) -> None:
    assert all(
        reviewed(
            decide(
                bundle, ELSEWHERE, ALWAYS_REVIEW, thousand_products("store", "nobody knows it", bundle.taxonomy)
            )
        )
    )


def test_whoever_reviews_is_told_why(bundle: Bundle) -> None:
    held = decide(bundle, ELSEWHERE, ALWAYS_REVIEW)
    about = CandidateProduct(offset=1, timestamp_ms=0, product_id="p")
    events = [decision_event(each, about, SourcePosition("t", 0, 1), bundle.taxonomy, "m") for each in held]
    assert {event.reason for event in events if isinstance(event, NeedsReview)} == {"new_store", "low_confidence"}


def test_thresholds_of_new_stores_stand_in_place_of_all_others(bundle: Bundle) -> None:
    backed_off = decide(bundle, ELSEWHERE, NewStores(10, NEVER, 0.5))
    assert {each.outcome for each in backed_off} == {Outcome.BACKED_OFF, Outcome.NEEDS_REVIEW}
    assert all(each.category != each.alternatives[0][0] for each in backed_off)
    assigned = decide(bundle, ELSEWHERE, NewStores(10, 0.0, NEVER))
    assert {each.outcome for each in assigned} == {Outcome.ASSIGNED}


def test_labelled_products_of_the_best_known_store_are_told_and_are_no_feature(bundle: Bundle) -> None:
    fitted_on = label_products(sample_products(7, FITTED), sample_taxonomy()).products
    trained = Counter(normalise_key(store) for product in fitted_on for store in product.stores)
    asked = [msgspec.structs.replace(PRODUCTS[0], stores=stores) for stores in ((), ("Nobody",), tuple(STORES))]
    candidates = bundle.recall.candidates(asked, thousand_products("store", "nobody knows it", bundle.taxonomy))
    known = max(trained[normalise_key(store)] for store in STORES)
    assert np.array_equal(Labelled.of(candidates).stores, np.array([np.nan, 0, known], np.float32), equal_nan=True)
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
    assert np.isnan(Labelled.of(candidates)).all()


_chances = st.floats(0.01, 1)
_counts = st.one_of(st.none(), st.integers(0, 99))


@given(st.lists(st.tuples(_counts, _counts, _chances, _chances), min_size=1))
def test_a_policy_decides_products_of_new_stores_new_brands_and_others_as_policies_of_their_own_would(
    products: list[tuple[int | None, int | None, float, float]],
) -> None:
    labelled = np.array([product[:2] for product in products], np.float32).T
    rows = np.arange(len(products))
    nodes = rows.astype(np.int32)
    top = TopCandidates(rows, nodes, np.array([leaf for _, _, leaf, _ in products]))
    levels = AncestorLevels(nodes[:, None], np.array([[root] for _, _, _, root in products]))
    policy = Policy(0.6, 0.4, {0: 0.9}, 0.7, NEVER, NewStores(10, 0.8, 0.7))
    found = policy.decide(top, levels, nodes, Labelled(*labelled))
    for row, (of_stores, of_brand, leaf, root) in enumerate(products):
        new = of_stores is not None and of_stores < 10
        least = 0.9 if row == 0 else 0.7 if of_brand == 0 else 0.6
        assigned = leaf >= (0.8 if new else least)
        level = 0 if root >= (0.7 if new else 0.4) else -1
        elsewhere = leaf >= least or root >= 0.4
        assert (found.assigned[row], found.level[row]) == (assigned, level)
        assert found.held_back_for_new_store[row] == (new and elsewhere and not assigned and level < 0)
