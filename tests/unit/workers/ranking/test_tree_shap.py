"""Contributions that are looked up are those that XGBoost computes."""

from __future__ import annotations

from dataclasses import replace
from itertools import chain, combinations
from math import factorial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xgboost
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from workers.ranking.subtrees import shapley
from workers.ranking.tree_shap import TreeShap


def some_rows(seed: int, rows: int = 400, features: int = 6) -> NDArray[np.float32]:
    random = np.random.default_rng(seed)
    # Few values, so that rows lie on thresholds too.
    values = np.round(random.normal(size=(rows, features)), 1).astype(np.float32)
    values[random.random(values.shape) < 0.2] = np.nan
    return values


def trees_of(values: NDArray[np.float32], rounds: int, **parameters: Any) -> Any:
    signal = np.nan_to_num(values[:, 0]) * np.nan_to_num(values[:, 1]) + np.isnan(values[:, 2])
    fixed = {"nthread": 1, "base_score": 0.0}
    return xgboost.train(fixed | parameters, xgboost.DMatrix(values, signal), rounds)


def computed(trees: Any, values: NDArray[np.float32]) -> NDArray[np.float32]:
    found: NDArray[np.float32] = trees.predict(xgboost.DMatrix(values), pred_contribs=True)
    return found


@pytest.mark.parametrize("depth", [1, 2, 3, 6, 8])
def test_contributions_are_those_of_xgboost_for_trees_of_any_depth(depth: int) -> None:
    values = some_rows(depth)
    trees = trees_of(values, 12, max_depth=depth, min_child_weight=0)
    found = TreeShap.of(trees).contributions(values)
    assert found == pytest.approx(computed(trees, values), abs=1e-5)
    assert found.sum(axis=1) == pytest.approx(trees.predict(xgboost.DMatrix(values)), abs=1e-5)


def test_trees_of_one_leaf_add_to_the_bias_alone() -> None:
    values = some_rows(1)
    mixed = trees_of(values, 8, gamma=20.0)
    assert {text.count("leaf") > 1 for text in mixed.get_dump()} == {False, True}
    assert TreeShap.of(mixed).contributions(values) == pytest.approx(computed(mixed, values), abs=1e-5)
    bare = trees_of(values, 2, gamma=1e9)
    found = TreeShap.of(bare).contributions(values[:3])
    assert not found[:, :-1].any()
    assert found[:, -1] == pytest.approx(computed(bare, values[:3])[:, -1], abs=1e-6)


def test_a_row_is_explained_alike_alone_and_among_others() -> None:
    values = some_rows(2)
    tables = TreeShap.of(trees_of(values, 20))
    together = tables.contributions(values)
    for row in (0, 63, 64, 399):
        assert np.array_equal(tables.contributions(values[row : row + 1])[0], together[row])
    assert tables.contributions(values[:0]).shape == (0, 7)


def test_rows_of_too_few_features_are_an_error() -> None:
    values = some_rows(4)
    tables = TreeShap.of(trees_of(values, 5))
    with pytest.raises(ValueError, match="rows of 2 features"):
        tables.contributions(values[:, :2])


def test_tables_are_the_same_when_they_are_read_again(tmp_path: Path) -> None:
    values = some_rows(3)
    tables = TreeShap.of(trees_of(values, 5))
    tables.save(tmp_path / "tables")
    again = TreeShap.load(tmp_path / "tables", 6)
    assert np.array_equal(again.contributions(values), tables.contributions(values))
    with pytest.raises(ValueError, match="not the tables of a ranker of 1 features"):
        TreeShap.load(tmp_path / "tables", 1)


@pytest.mark.parametrize(
    "change",
    [
        {"columns": np.full((1, 1), 7, np.int32)},
        {"columns": np.full((1, 1), -1, np.int32)},
        {"columns": np.zeros((1, 2), np.int32)},
        {"table": np.zeros((5, 1), np.float32)},
        {"table": np.full((4, 1), np.nan, np.float32)},
        {"table": np.zeros((4, 1))},
        {"met": np.zeros((3, 1), np.int32)},
        {"met": np.array([[0], [2]], np.int32)},
        {"features": np.array([0, 6], np.int32)},
        {"features": np.array([0, -1], np.int32)},
        {"thresholds": np.zeros(1, np.float32)},
        {"bias": np.zeros(2, np.float32)},
    ],
    ids=lambda change: next(iter(change)),
)
def test_tables_that_do_not_fit_together_are_refused(tmp_path: Path, change: dict[str, Any]) -> None:
    tables = TreeShap(
        features=np.zeros(2, np.int32),
        thresholds=np.zeros(2, np.float32),
        missing_left=np.zeros(2, np.bool_),
        met=np.array([[0], [1]], np.int32),
        columns=np.zeros((1, 1), np.int32),
        table=np.zeros((4, 1), np.float32),
        bias=np.zeros(1, np.float32),
    )
    tables.save(tmp_path / "tables")
    assert TreeShap.load(tmp_path / "tables", 6)
    replace(tables, **change).save(tmp_path / "tables")
    with pytest.raises(ValueError, match="not the tables"):
        TreeShap.load(tmp_path / "tables", 6)


@given(st.lists(st.tuples(st.booleans(), st.floats(0, 1)), min_size=1, max_size=5), st.data())
def test_a_shapley_value_is_the_mean_over_all_orders(
    features: list[tuple[bool, float]], data: st.DataObject
) -> None:
    feature = data.draw(st.integers(0, len(features) - 1))
    others = [number for number in range(len(features)) if number != feature]

    def reached(known: tuple[int, ...]) -> float:
        return float(
            np.prod([passed if number in known else share for number, (passed, share) in enumerate(features)])
        )

    expected = sum(
        factorial(len(known)) * factorial(len(others) - len(known)) * (reached((*known, feature)) - reached(known))
        for known in chain.from_iterable(combinations(others, size) for size in range(len(features)))
    ) / factorial(len(features))
    passed = np.array([[[each] for each, _ in features]])
    share = np.array([[each for _, each in features]])
    assert shapley(passed, share, feature) == pytest.approx(expected, abs=1e-9)
