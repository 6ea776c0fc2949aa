"""Events and trees of the throughput benchmark."""

from __future__ import annotations

import gzip
from itertools import pairwise
from pathlib import Path

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.events.product import Product, decode_product
from tests.benchmarks.throughput.events import FEWEST_WORDS, MOST_WORDS, generate, long_title, read_real
from tests.benchmarks.throughput.tree import padded_taxonomy
from workers.sample import generate_catalogue, sample_taxonomy
from workers.sample.dice import Dice


@given(st.integers(-1_000, 1_000))
def test_titles_have_8_to_30_words_and_begin_as_the_catalogue_says(seed: int) -> None:
    for row in generate_catalogue(seed, 3):
        title = long_title(Dice(seed), row)
        assert FEWEST_WORDS <= len(title.split()) <= MOST_WORDS
        shorter = min(len(title.split()), len(row["title"].split()))
        assert title.split()[:shorter] == row["title"].split()[:shorter]


def test_events_are_of_distinct_products_and_the_same_for_a_seed() -> None:
    events = generate(1, 500)
    assert events == generate(1, 500)
    assert events != generate(2, 500)
    assert len({key for key, _ in events}) == 500
    assert all(decode_product(value, key) for key, value in events)


def test_real_products_are_spread_among_the_others_and_a_quarter_at_most() -> None:
    real = [Product(product_id=f"real-{number}", title="Lamp") for number in range(100)]
    places = [place for place, (key, _) in enumerate(generate(1, 200, real)) if key.startswith(b"real-")]
    assert len(places) == 50
    assert {later - earlier for earlier, later in pairwise(places)} == {4}
    assert len({key for key, _ in generate(1, 200, real)}) == 200


def test_real_products_come_from_all_files_and_have_ids_of_their_own(tmp_path: Path) -> None:
    for name, count in (("one", 5), ("two", 50)):
        rows = [{"product_id": "the same", "title": f"{name} {number}"} for number in range(count)]
        (tmp_path / f"{name}.jsonl.gz").write_bytes(gzip.compress(b"\n".join(map(orjson.dumps, rows))))
    found = read_real(tmp_path, 20)
    assert [item.title for item in found[:4]] == ["one 0", "two 0", "one 1", "two 1"]
    assert len({item.product_id for item in found}) == len(found) == 15
    assert read_real(tmp_path / "nowhere", 20) == []
    assert read_real(None, 20) == []


@pytest.mark.parametrize("nodes", [380, 1_000, 5_595])
def test_a_padded_tree_has_so_many_nodes_and_all_of_the_sample(nodes: int) -> None:
    padded = padded_taxonomy(nodes)
    assert len(padded) == nodes
    assert set(sample_taxonomy().paths) <= set(padded.paths)


@pytest.mark.parametrize("nodes", [379, 1_000_000])
def test_a_tree_that_cannot_be_made_is_refused(nodes: int) -> None:
    with pytest.raises(ValueError, match="nodes"):
        padded_taxonomy(nodes)
