"""Both ways of holding scores answer alike."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from workers.arrays.pairs import pair_keys, pairs_of
from workers.signals.base import Scores
from workers.signals.combined_scores import CombinedScores
from workers.signals.scores import DenseScores, PartialScores, SparseScores, no_context

ROWS = st.lists(
    st.dictionaries(st.integers(0, 20), st.floats(-1, 1, width=32), max_size=6), min_size=1, max_size=5
)


def sparse(rows: list[dict[int, float]], context: np.ndarray) -> SparseScores:
    pairs = [(product << 32 | node, row[node]) for product, row in enumerate(rows) for node in sorted(row)]
    keys = np.array([key for key, _ in pairs], np.int64)
    return SparseScores(keys, np.array([score for _, score in pairs], np.float32), context)


@given(ROWS, st.integers(1, 8))
def test_sparse_scores_propose_the_best_of_each_product_once(rows: list[dict[int, float]], count: int) -> None:
    products, categories = sparse(rows, no_context(len(rows))).top(count)
    for product, row in enumerate(rows):
        named = categories[products == product].tolist()
        assert len(named) == len(set(named)) == min(count, len(row))
        worst_named = min((row[category] for category in named), default=0)
        assert all(score <= worst_named for category, score in row.items() if category not in named)


@given(ROWS)
def test_sparse_scores_know_what_they_were_given_and_nothing_else(rows: list[dict[int, float]]) -> None:
    scores = sparse(rows, no_context(len(rows)))
    for product, row in enumerate(rows):
        categories = np.arange(21, dtype=np.int32)
        found = scores.at(np.full(21, product), categories)
        for category, score in zip(categories.tolist(), found.tolist(), strict=True):
            assert np.isnan(score) if category not in row else score == np.float32(row[category])


def test_dense_scores_know_their_own_categories_alone() -> None:
    scores = DenseScores(np.array([3, 7], np.int32), np.array([[0.1, 0.9], [0.8, 0.2]], np.float32), no_context(2))
    products, categories = scores.top(1)
    assert list(zip(products.tolist(), categories.tolist(), strict=True)) == [(0, 7), (1, 3)]
    found = scores.at(np.array([0, 0, 1]), np.array([3, 5, 7], np.int32))
    assert found[0] == np.float32(0.1)
    assert np.isnan(found[1])
    assert found[2] == np.float32(0.2)


def test_dense_scores_of_no_category_propose_nothing() -> None:
    scores = DenseScores(np.empty(0, np.int32), np.empty((2, 0), np.float32), no_context(2))
    assert len(scores.top(5)[0]) == 0
    assert np.isnan(scores.at(np.array([0]), np.array([1], np.int32))).all()


@given(ROWS, st.data())
def test_partial_scores_say_of_their_products_what_they_were_given_and_of_others_nothing(
    rows: list[dict[int, float]], data: st.DataObject
) -> None:
    products = len(rows) + data.draw(st.integers(0, 3))
    rows_of_given = np.sort(np.array(data.draw(st.permutations(range(products)))[: len(rows)], np.intp))
    context = np.arange(len(rows), dtype=np.float32)[:, None]
    given = sparse(rows, context)
    partial = PartialScores(given, rows_of_given, products)
    owners, categories = partial.top(3)
    of_given, same = given.top(3)
    assert owners.tolist() == rows_of_given[of_given].tolist()
    assert categories.tolist() == same.tolist()
    for product in range(products):
        said = partial.at(np.full(21, product), np.arange(21, dtype=np.int32))
        known = np.flatnonzero(rows_of_given == product)
        expected = given.at(np.full(21, known[0]), np.arange(21, dtype=np.int32)) if len(known) else np.nan
        np.testing.assert_array_equal(said, expected)
        assert np.isnan(partial.context[product, 0]) == (not len(known))


@given(ROWS, ROWS, st.integers(1, 8))
def test_combined_scores_are_those_of_each_signal(
    rows: list[dict[int, float]], others: list[dict[int, float]], count: int
) -> None:
    products = max(len(rows), len(others))
    rows, others = ([*each, *[{}] * (products - len(each))] for each in (rows, others))
    context = no_context(products)
    values = np.arange(2 * products, dtype=np.float32).reshape(-1, 2)
    dense = DenseScores(np.array([3, 7], np.int32), values, context)
    scores: list[Scores] = [sparse(rows, context), dense, sparse(others, context)]
    combined = CombinedScores(scores)
    keys, signals = combined.top(count)
    everything = np.array([product << 32 | node for product in range(products) for node in range(21)], np.int64)
    for signal, each in enumerate(scores):
        assert sorted(keys[signals == signal].tolist()) == sorted(pair_keys(*each.top(count)).tolist())
        expected = each.at(*pairs_of(everything))
        assert np.array_equal(combined.at(everything)[:, signal], expected, equal_nan=True)
