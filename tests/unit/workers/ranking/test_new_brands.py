"""What a brand sells that the model was fitted on no product of is assigned where that is surer than elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import msgspec
import pytest

from schemas.events.batch import Outcome
from schemas.events.product import Product
from tests.learned_statistics import thousand_products
from tests.sample_model import sample_products
from workers.bundle.bundle import Bundle
from workers.ranking.error_budget import NEVER
from workers.ranking.labelled import Labelled
from workers.ranking.ranking import Prediction
from workers.statistics import NoStatistics, Statistics

PRODUCTS = [row.product for row in sample_products(8, 100)]


def branded(brand: str | None) -> list[Product]:
    return [msgspec.structs.replace(product, brand=brand) for product in PRODUCTS]


def decide(bundle: Bundle, products: Sequence[Product], assign_new_brands: float) -> list[Prediction]:
    policy = replace(bundle.ranking.policy, assign_new_brands=assign_new_brands)
    candidates = bundle.recall.candidates(products, NoStatistics())
    return replace(bundle.ranking, policy=policy).decide(candidates)


def assigned(predictions: Sequence[Prediction]) -> int:
    return sum(prediction.outcome is Outcome.ASSIGNED for prediction in predictions)


def test_a_product_of_a_new_brand_is_backed_off_or_reviewed_and_as_likely_as_before(bundle: Bundle) -> None:
    products = branded("Nobody Knows It")
    free, held = (decide(bundle, products, threshold) for threshold in (0.0, NEVER))
    assert assigned(free) > 0 == assigned(held)
    assert [each.alternatives for each in held] == [each.alternatives for each in free]
    assert [each.likeliest_confidence for each in held] == [each.likeliest_confidence for each in free]


@pytest.mark.parametrize("brand", [None, " ", PRODUCTS[0].brand])
def test_a_product_of_a_known_brand_or_of_none_is_decided_as_before(bundle: Bundle, brand: str | None) -> None:
    products = branded(brand)
    assert decide(bundle, products, NEVER) == decide(bundle, products, 0.0)


@pytest.mark.parametrize("learned", [False, True])
def test_what_the_stream_learns_of_a_brand_does_not_make_it_known(bundle: Bundle, learned: bool) -> None:
    statistics: Statistics = (
        thousand_products("brand", "nobody knows it", bundle.taxonomy) if learned else NoStatistics()
    )
    candidates = bundle.recall.candidates(branded("Nobody Knows It"), statistics)
    assert Labelled.of(candidates).new_brand.all()
    names = bundle.ranking.features.build(candidates).names
    assert "brand_frequency_log_weight" in names
    assert "brand_frequency_labelled" not in names
