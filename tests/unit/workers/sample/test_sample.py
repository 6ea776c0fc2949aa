from __future__ import annotations

import hashlib
import itertools
import os
import subprocess
import sys
from collections import Counter
from functools import cache
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.events.product import decode_product
from schemas.taxonomy import read_taxonomy
from workers.sample import generate_catalogue, sample_taxonomy, write_catalogue, write_taxonomy
from workers.sample.dice import Dice, Weighted
from workers.sample.tables import sample_leaves
from workers.sample.wording import plural, with_typo
from workers.sample.world import sample_world

PRODUCTS = 20_000
# Sums change here only on purpose: every figure in the docs that rests on the sample then changes too.
FIRST_ROWS_SHA256 = "43421745f3276a49e40ac5b4c597c932f17b88423b9cc44b24f02bf4a96bca53"


@cache
def _rows() -> list[dict[str, Any]]:
    return list(generate_catalogue(seed=7, products=PRODUCTS))


def _share(rows: list[dict[str, Any]], key: str) -> float:
    return sum(row[key] is None for row in rows) / len(rows)


def _digest(rows: Any) -> str:
    return hashlib.sha256(b"".join(orjson.dumps(row) for row in rows)).hexdigest()


def test_the_tree_has_over_250_categories_in_four_levels_with_every_leaf_at_the_fourth() -> None:
    tree = sample_taxonomy()
    assert len(tree) >= 250
    assert int(tree.depths.max()) == 4
    assert (tree.depths[tree.is_leaf] == 4).all()
    assert int(tree.is_leaf.sum()) == len(sample_leaves())


def test_the_tree_reads_back_from_the_file_written_of_it(tmp_path: Path) -> None:
    write_taxonomy(tmp_path / "sample.csv")
    again = read_taxonomy(tmp_path / "sample.csv")
    assert (again.ids, again.paths) == (sample_taxonomy().ids, sample_taxonomy().paths)


def test_the_words_of_every_leaf_are_complete() -> None:
    for leaf in sample_leaves():
        assert leaf.nouns, leaf.path
        assert leaf.features, leaf.path
        assert 0 < leaf.price[0] < leaf.price[1], leaf.path


def test_some_nouns_mean_products_of_several_categories() -> None:
    nouns = Counter(noun for leaf in sample_leaves() for noun in {*leaf.nouns, *leaf.vague_nouns})
    assert sum(count >= 3 for count in nouns.values()) >= 20


def test_the_rows_of_a_seed_are_those_of_every_release() -> None:
    assert _digest(_rows()[:500]) == FIRST_ROWS_SHA256


def test_the_rows_do_not_depend_on_the_hash_seed_of_the_process() -> None:
    code = (
        "import hashlib, orjson; from workers.sample import generate_catalogue;"
        "print(hashlib.sha256(b''.join(orjson.dumps(row) for row in generate_catalogue(7, 500))).hexdigest())"
    )
    for hash_seed in ("1", "2"):
        environment = {**os.environ, "PYTHONHASHSEED": hash_seed}
        root = Path(__file__).parents[4]
        done = subprocess.run(
            [sys.executable, "-c", code], cwd=root, env=environment, capture_output=True, text=True, check=True
        )
        assert done.stdout.strip() == _digest(_rows()[:500])


@given(seed=st.integers(-5, 10**12), products=st.integers(0, 40))
def test_a_shorter_catalogue_is_the_beginning_of_a_longer_one(seed: int, products: int) -> None:
    short = list(generate_catalogue(seed, products))
    assert len(short) == products
    assert short == list(itertools.islice(generate_catalogue(seed, products + 20), products))


def test_another_seed_gives_other_products_of_the_same_brands_and_shops() -> None:
    other = list(generate_catalogue(seed=8, products=3_000))
    assert {row["product_id"] for row in other}.isdisjoint(row["product_id"] for row in _rows())
    world = sample_world()
    shops = {shop.name for offered in world.shops for shop in offered}
    brands = {brand.name for choice in world.brands for brand in choice.items}
    for row in (*other, *_rows()):
        assert row["brand"] is None or row["brand"] in brands | shops
        assert shops.issuperset(row["stores"])
    assert len({row["title"] for row in other} - {row["title"] for row in _rows()}) > 2_000


def test_a_negative_number_of_products_is_refused() -> None:
    with pytest.raises(ValueError, match="products is -1"):
        generate_catalogue(7, -1)


def test_every_row_without_its_label_is_a_valid_product_event() -> None:
    for row in _rows()[:3_000]:
        product = decode_product(orjson.dumps(row), row["product_id"].encode())
        assert product.updated_at is not None
        assert product.stores


def test_every_label_is_a_leaf_of_the_tree() -> None:
    tree = sample_taxonomy()
    labels = {tuple(row["category_path"]) for row in _rows() if row["category_path"] is not None}
    assert all(tree.is_leaf[tree.index_of_path(label)] for label in labels)
    assert len(labels) >= 250


def test_the_shares_of_what_is_missing_are_as_announced() -> None:
    assert _share(_rows(), "category_path") == pytest.approx(0.02, abs=0.004)
    assert 0.1 < _share(_rows(), "brand") < 0.2
    assert 0.25 < _share(_rows(), "description") < 0.4
    assert 0.25 < _share(_rows(), "merchant_category") < 0.4
    assert 0.4 < _share(_rows(), "affiliate") < 0.55


def test_class_sizes_have_a_long_tail() -> None:
    sizes = sorted(Counter(tuple(row["category_path"]) for row in _rows() if row["category_path"]).values())
    assert sizes[-1] > 400
    assert sum(size <= 25 for size in sizes) >= 30


def test_titles_are_short_normal_and_long() -> None:
    words = [len(row["title"].split()) for row in _rows()]
    assert min(words) >= 1
    assert max(words) <= 30
    assert sum(count <= 3 for count in words) > 0.1 * PRODUCTS
    assert sum(count >= 14 for count in words) > 0.1 * PRODUCTS


def test_some_products_come_in_variants_that_differ_in_little() -> None:
    shared = Counter(
        (row["description"], row["price"], tuple(row["stores"])) for row in _rows() if row["description"]
    )
    assert sum(count for count in shared.values() if count > 1) > 0.2 * PRODUCTS


def test_focused_brands_stand_beside_diversified_ones_and_private_labels() -> None:
    brands = {brand for choice in sample_world().brands for brand in choice.items}
    reach = [len(brand.leaves) for brand in brands]
    assert sum(count <= 3 for count in reach) > 200
    assert sum(count > 10 for count in reach) > 30
    labels = {brand.name: brand.shop for brand in brands if brand.shop}
    assert len(labels) >= 10
    sold = [row for row in _rows() if row["brand"] in labels]
    assert sold
    assert all(row["stores"] == [labels[row["brand"]]] for row in sold)


def test_every_category_has_several_brands_and_shops() -> None:
    world = sample_world()
    assert min(len(choice.items) for choice in world.brands) >= 2
    assert min(len(shops) for shops in world.shops) >= 8


def test_affiliate_categories_are_far_fewer_than_ours_and_mostly_agree_with_them() -> None:
    world = sample_world()
    tree = sample_taxonomy()
    leaf_at = {leaf.path: leaf.position for leaf in sample_leaves()}
    carried = [row for row in _rows() if row["affiliate"] and row["category_path"]]
    for network in world.networks:
        words = {row["affiliate"]["category"] for row in carried if row["affiliate"]["network"] == network}
        assert 1 < len(words) < len(tree) / 3
    agreed = sum(
        row["affiliate"]["category"]
        == world.network_words[row["affiliate"]["network"], leaf_at[tuple(row["category_path"])]]
        for row in carried
    )
    assert 0.9 < agreed / len(carried) < 0.99


def test_a_written_catalogue_holds_the_generated_rows(tmp_path: Path) -> None:
    write_catalogue(tmp_path / "sample.jsonl", seed=7, products=50)
    lines = (tmp_path / "sample.jsonl").read_bytes().splitlines()
    assert [orjson.loads(line) for line in lines] == _rows()[:50]


def test_weights_decide_how_often_an_item_is_picked() -> None:
    dice = Dice(1)
    picks = Counter(dice.weighted(Weighted("abc", (1.0, 0.0, 3.0))) for _ in range(4_000))
    assert picks["b"] == 0
    assert picks["c"] / picks["a"] == pytest.approx(3, rel=0.2)


@given(st.integers(), st.lists(st.integers()))
def test_shuffling_keeps_every_item(seed: int, items: list[int]) -> None:
    assert sorted(Dice(seed).shuffled(items)) == sorted(items)


@given(st.integers(), st.text("abc ", min_size=1, max_size=12))
def test_a_typo_changes_the_length_by_one_letter_at_most(seed: int, word: str) -> None:
    assert abs(len(with_typo(Dice(seed), word)) - len(word)) <= 1


@pytest.mark.parametrize(
    ("noun", "wanted"),
    [("sofa", "sofas"), ("dress", "dress"), ("wrench", "wrenches"), ("brush", "brushes"), ("box", "boxes")],
)
def test_the_plural_of_a_noun(noun: str, wanted: str) -> None:
    assert plural(noun) == wanted
