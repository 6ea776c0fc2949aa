"""Nearly all of the exact neighbours are found, and the same for a query alone and in any batch."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from schemas.events.product import Product
from workers.arrays.eight_bits import EightBits
from workers.arrays.inverted_lists import InvertedLists
from workers.arrays.nearest import nearest, unit_rows
from workers.recall.examples import Examples

RANDOM = np.random.default_rng(0)
DIMENSIONS = 32


def products(count: int) -> NDArray[np.float32]:
    """Return vectors in clusters, as those of products are."""
    centres = RANDOM.normal(size=(200, DIMENSIONS))
    around = centres[RANDOM.integers(0, 200, count)] + 0.6 * RANDOM.normal(size=(count, DIMENSIONS))
    return unit_rows(around.astype(np.float32))


COUNT = 16_384
VECTORS = products(COUNT)
QUERIES = products(300)
LISTS = InvertedLists.of(VECTORS)


def test_nineteen_of_twenty_neighbours_are_found() -> None:
    _, found = nearest(VECTORS, QUERIES, 10, LISTS)
    _, exact = nearest(VECTORS, QUERIES, 10, EightBits(VECTORS))
    recall = np.mean([len(np.intersect1d(a, b)) / 10 for a, b in zip(found, exact, strict=True)])
    assert recall >= 0.95


@given(st.lists(st.integers(0, 299), min_size=1, max_size=70))
def test_a_query_finds_the_same_alone_and_in_any_batch(chosen: list[int]) -> None:
    cosines, rows = nearest(VECTORS, QUERIES[chosen], 10, LISTS)
    for place in (0, len(chosen) // 2, len(chosen) - 1):
        alone = nearest(VECTORS, QUERIES[chosen][place : place + 1], 10, LISTS)
        assert np.array_equal(alone[0][0], cosines[place])
        assert np.array_equal(alone[1][0], rows[place])


def test_the_same_vectors_are_always_partitioned_alike() -> None:
    again = InvertedLists.of(VECTORS)
    assert np.array_equal(again.centroids, LISTS.centroids)
    assert np.array_equal(again.lists, LISTS.lists)


def test_a_query_near_whose_centroids_there_is_too_little_is_compared_with_all() -> None:
    vectors = unit_rows(RANDOM.normal(size=(100, DIMENSIONS)).astype(np.float32))
    centroids = vectors[:90]
    lists = InvertedLists(vectors, centroids, np.full(100, 89, np.int32))
    _, rows = nearest(vectors, vectors[:5], 20, lists)
    _, exact = nearest(vectors, vectors[:5], 20, EightBits(vectors))
    assert np.array_equal(rows, exact)


@pytest.mark.parametrize("count", [COUNT - 1, COUNT])
def test_examples_find_the_same_after_they_were_stored(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, count: int
) -> None:
    monkeypatch.setattr("workers.recall.examples.LEAST_VECTORS", COUNT)
    named = [Product(product_id=str(place), title="t", brand="b") for place in range(count)]
    examples = Examples.of(named, VECTORS[:count], np.zeros(count, np.int32))
    examples.save(tmp_path)
    again = Examples.load(tmp_path, nodes=1)
    cosines, rows = nearest(VECTORS[:count], QUERIES, 48, examples._index)
    cosines_again, rows_again = nearest(VECTORS[:count], QUERIES, 48, again._index)
    assert np.array_equal(cosines, cosines_again)
    assert np.array_equal(rows, rows_again)
    assert isinstance(examples._index, InvertedLists) is isinstance(again._index, InvertedLists)
    assert isinstance(again._index, InvertedLists) is (count >= COUNT)
