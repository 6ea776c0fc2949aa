"""Neighbours are the exact ones, and a query's bits do not depend on its batch."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from workers.arrays.nearest import nearest

RANDOM = np.random.default_rng(0)
VECTORS = RANDOM.normal(size=(3_000, 64)).astype(np.float32)
VECTORS /= np.linalg.norm(VECTORS, axis=1, keepdims=True)


def test_they_are_those_of_the_full_comparison() -> None:
    queries = VECTORS[:50]
    cosines, rows = nearest(VECTORS, queries, 10)
    expected = np.argsort(-(queries.astype(float) @ VECTORS.T.astype(float)), axis=1)[:, :10]
    assert np.array_equal(rows, expected)
    assert cosines[:, 0] == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize("count", [46, 47, 64, 100])
def test_as_many_as_there_are_strides_and_more_are_the_exact_ones_too(count: int) -> None:
    queries = VECTORS[:5]
    expected = np.argsort(-(queries.astype(float) @ VECTORS.T.astype(float)), axis=1)[:, :count]
    assert np.array_equal(nearest(VECTORS, queries, count)[1], expected)


@given(st.lists(st.integers(0, 2_999), min_size=1, max_size=70))
def test_a_query_finds_the_same_alone_and_in_any_batch(chosen: list[int]) -> None:
    queries = VECTORS[chosen] * np.float32(0.9)
    cosines, rows = nearest(VECTORS, queries, 10)
    for place in (0, len(chosen) // 2, len(chosen) - 1):
        alone = nearest(VECTORS, queries[place : place + 1], 10)
        assert np.array_equal(alone[0][0], cosines[place])
        assert np.array_equal(alone[1][0], rows[place])


def test_fewer_vectors_than_wanted_are_all_found() -> None:
    few = VECTORS[:3]
    assert nearest(few, VECTORS[:2], 10)[1].shape == (2, 3)


def test_of_many_equally_near_ones_the_first_are_found() -> None:
    twins = np.repeat(VECTORS[:30], 100, axis=0)
    _, rows = nearest(twins, VECTORS[:30], 10)
    assert np.array_equal(rows, 100 * np.arange(30)[:, None] + np.arange(10))


def test_queries_beyond_what_is_compared_at_once_find_what_they_find_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    together = nearest(VECTORS, VECTORS[:70], 10)
    monkeypatch.setattr("workers.arrays.nearest._COMPARED_AT_ONCE", 8 * len(VECTORS))
    monkeypatch.setattr("workers.arrays.nearest._PAIRS_AT_ONCE", 7)
    apart = nearest(VECTORS, VECTORS[:70], 10)
    assert np.array_equal(together[0], apart[0])
    assert np.array_equal(together[1], apart[1])


@pytest.mark.parametrize("rows", [5, 40, 1_000, 2_999])
def test_vectors_beyond_what_is_compared_at_once_give_the_same(monkeypatch: pytest.MonkeyPatch, rows: int) -> None:
    twins = np.concatenate([VECTORS, VECTORS[:500]])
    whole = nearest(twins, VECTORS[:70], 10)
    monkeypatch.setattr("workers.arrays.nearest._COMPARED_AT_ONCE", 1)
    monkeypatch.setattr("workers.arrays.nearest._ROWS_AT_ONCE", rows)
    in_parts = nearest(twins, VECTORS[:70], 10)
    assert np.array_equal(whole[0], in_parts[0])
    assert np.array_equal(whole[1], in_parts[1])
