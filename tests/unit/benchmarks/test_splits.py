"""Splits of the benchmark: nothing that is learned from may be tried on."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.events.product import Product
from tests.benchmarks.quality.datasets import Catalogue, Dataset
from tests.benchmarks.quality.splits import CURVE, make_problem, split_names
from tests.sample_model import sample_products
from workers.fit.label_tree import taxonomy_of_labels
from workers.fit.labels import LabelledProducts, label_products
from workers.text.tokens import words


def catalogue(count: int = 600) -> Catalogue:
    rows = sample_products(3, count)
    tree = taxonomy_of_labels(rows)
    products = label_products(rows, tree)
    return Catalogue(Dataset("sample", "sample.jsonl"), tree, products, np.unique(products.labels))


SAMPLE = catalogue()


def titles(side: LabelledProducts) -> set[tuple[str, ...]]:
    return {tuple(words(product.title)) for product in side.products}


def names(side: LabelledProducts) -> set[str]:
    return {product.product_id for product in side.products}


@pytest.mark.parametrize("split", ["random", "shops", "shops-5", "brands", "labels-100"])
@pytest.mark.parametrize("seed", [0, 1])
def test_no_title_is_on_both_sides(split: str, seed: int) -> None:
    problem = make_problem(SAMPLE, split, seed)
    assert titles(problem.training).isdisjoint(titles(problem.test))
    assert len(problem.test.labels) == len(problem.test.products) > 0


@given(
    st.lists(
        st.sampled_from(["Red Lamp", "red lamp!", "Blue  Lamp", "Chair", "Desk", "desk."]),
        min_size=30,
        max_size=60,
    )
)
@settings(max_examples=25)
def test_titles_that_differ_in_case_and_signs_alone_stay_together(found: list[str]) -> None:
    products = [
        Product(product_id=str(n), title=title, stores=(f"shop {n % 7}",)) for n, title in enumerate(found)
    ]
    labelled = LabelledProducts(products, np.zeros(len(products), np.int32), 0, 0)
    whole = Catalogue(SAMPLE.dataset, SAMPLE.taxonomy, labelled, SAMPLE.observed)
    for split in ("random", "shops"):
        problem = make_problem(whole, split, 0)
        assert titles(problem.training).isdisjoint(titles(problem.test))


def test_a_fifth_of_the_titles_is_tried_on_and_the_rest_is_learned_from() -> None:
    problem = make_problem(SAMPLE, "random", 0)
    assert len(titles(problem.test)) == pytest.approx(len(titles(SAMPLE.products)) / 5, abs=1)
    assert names(problem.training) | names(problem.test) == names(SAMPLE.products)


def test_another_seed_is_another_split_and_the_same_seed_the_same() -> None:
    first, again, other = (names(make_problem(SAMPLE, "random", seed).test) for seed in (0, 0, 1))
    assert first == again != other


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_shops_and_brands_are_disjoint(seed: int) -> None:
    by_shop, by_brand = make_problem(SAMPLE, "shops", seed), make_problem(SAMPLE, "brands", seed)
    shops = [
        {product.stores[0].casefold() for product in side.products if product.stores} for side in sides(by_shop)
    ]
    brands = [{" ".join(words(product.brand or "")) for product in side.products} for side in sides(by_brand)]
    assert shops[0].isdisjoint(shops[1])
    assert brands[0].isdisjoint(brands[1])
    for problem in (by_shop, by_brand):
        assert 0.1 < len(problem.test.labels) / len(SAMPLE.products.labels) <= 0.25


def sides(problem: object) -> tuple[LabelledProducts, LabelledProducts]:
    return problem.training, problem.test  # type: ignore[attr-defined]


def test_learning_curves_are_nested_and_end_at_one_test_side() -> None:
    whole = make_problem(SAMPLE, "random", 0)
    smaller: set[str] = set()
    for count in (0, 10, 100, 300):
        problem = make_problem(SAMPLE, f"labels-{count}", 0)
        assert len(problem.training.labels) == count
        assert smaller <= names(problem.training) <= names(whole.training)
        assert names(problem.test) == names(whole.test)
        smaller = names(problem.training)


def test_a_curve_has_a_split_for_each_count() -> None:
    assert split_names(("shops",), curve=True) == ["random", "shops", *(f"labels-{count}" for count in CURVE)]


def test_an_unknown_split_is_named() -> None:
    with pytest.raises(ValueError, match="'sideways'"):
        make_problem(SAMPLE, "sideways", 0)


@pytest.mark.parametrize("labelled", [0, 5])
def test_of_new_shops_so_many_products_are_learned_from_and_the_same_are_tried_on(labelled: int) -> None:
    whole = catalogue(6_000)
    problem, apart = (make_problem(whole, split, 0) for split in (f"shops-{labelled}", "shops"))
    new = {product.stores[:1] for product in apart.test.products}
    counted = Counter(product.stores[:1] for product in problem.training.products)
    assert names(problem.test) == names(make_problem(whole, "shops-15", 0).test) < names(apart.test)
    assert max(counted[shop] for shop in new) == labelled
