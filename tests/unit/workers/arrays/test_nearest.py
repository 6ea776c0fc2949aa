"""The nearest of all vectors are found, and a query's bits do not depend on its batch."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from workers.arrays.eight_bits import EightBits
from workers.arrays.nearest import nearest, unit_rows

RANDOM = np.random.default_rng(0)
VECTORS = unit_rows(RANDOM.normal(size=(3_000, 256)).astype(np.float32))
INDEX = EightBits(VECTORS)


def found(
    queries: NDArray[np.float32], count: int, vectors: NDArray[np.float32] = VECTORS, index: EightBits = INDEX
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    return nearest(vectors, queries, count, index if vectors is VECTORS else EightBits(vectors))


@pytest.mark.parametrize("count", [1, 5, 15, 16, 48, 64, 200])
def test_they_are_those_of_the_full_comparison(count: int) -> None:
    cosines, rows = found(VECTORS[:50], count)
    expected = np.argsort(-(VECTORS[:50].astype(float) @ VECTORS.T.astype(float)), axis=1)[:, :count]
    assert np.array_equal(rows, expected)
    assert cosines[:, 0] == pytest.approx(1, abs=1e-6)


@given(st.lists(st.integers(0, 2_999), min_size=1, max_size=70))
def test_a_query_finds_the_same_alone_and_in_any_batch(chosen: list[int]) -> None:
    queries = VECTORS[chosen] * np.float32(0.9)
    cosines, rows = found(queries, 10)
    for place in (0, len(chosen) // 2, len(chosen) - 1):
        alone = found(queries[place : place + 1], 10)
        assert np.array_equal(alone[0][0], cosines[place])
        assert np.array_equal(alone[1][0], rows[place])


@pytest.mark.parametrize("vectors", [0, 1, 3])
def test_fewer_vectors_than_wanted_are_all_found(vectors: int) -> None:
    few = VECTORS[:vectors]
    assert np.array_equal(np.sort(found(VECTORS[:2], 10, few)[1]), np.tile(np.arange(vectors), (2, 1)))


def test_without_queries_nothing_is_found() -> None:
    assert found(VECTORS[:0], 10)[1].shape == (0, 10)


def test_of_many_equally_near_ones_the_first_are_found() -> None:
    _, rows = found(VECTORS[:30], 10, np.repeat(VECTORS[:30], 100, axis=0))
    assert np.array_equal(rows, 100 * np.arange(30)[:, None] + np.arange(10))


def test_what_is_zero_is_near_to_nothing() -> None:
    nothing = np.zeros_like(VECTORS[:3])
    assert (found(nothing, 10)[0] == 0).all()
    assert (found(VECTORS[:3], 3, nothing)[0] == 0).all()


def test_the_largest_products_are_not_cut_off() -> None:
    """Where two of them are added in 16 bits these would be, were vectors rounded to as many steps as queries."""
    signs = np.sign(VECTORS[:200]).astype(np.float32) / np.float32(16)
    cosines, rows = found(signs, 1, signs)
    assert rows[:, 0].tolist() == list(range(200))
    assert cosines == pytest.approx(1)


def test_queries_beyond_what_is_compared_at_once_find_what_they_find_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    together = found(VECTORS[:60], 10)
    monkeypatch.setattr("workers.arrays.nearest._QUERIES_AT_ONCE", 7)
    apart = found(VECTORS[:60], 10)
    assert np.array_equal(together[0], apart[0])
    assert np.array_equal(together[1], apart[1])


def test_another_process_finds_the_same() -> None:
    again = pickle.loads(pickle.dumps(INDEX))
    assert np.array_equal(again.search(VECTORS[:9], 20), INDEX.search(VECTORS[:9], 20))
