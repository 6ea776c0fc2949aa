"""What XGBoost's C API says is what its Python calls say."""

from __future__ import annotations

import gc

import numpy as np
import pytest
import xgboost

from workers.ranking import booster

RANDOM = np.random.default_rng(0)
VALUES = RANDOM.normal(size=(300, 5)).astype(np.float32)
VALUES[RANDOM.random(VALUES.shape) < 0.2] = np.nan
LABELS = np.nan_to_num(VALUES[:, 0]) + np.nan_to_num(VALUES[:, 1]) > 0
TREES = xgboost.train(
    {"objective": "binary:logistic", "max_depth": 3, "nthread": 1}, xgboost.DMatrix(VALUES, LABELS), 9
)


@pytest.mark.parametrize("rows", [1, 2, 300])
def test_margins_are_the_same(rows: int) -> None:
    expected = TREES.predict(xgboost.DMatrix(VALUES[:rows]), output_margin=True)
    assert np.array_equal(booster.margins(TREES, VALUES[:rows]), expected)


def test_an_array_that_is_not_contiguous_is_read_rightly() -> None:
    assert np.array_equal(booster.margins(TREES, VALUES[::3]), booster.margins(TREES, VALUES)[::3])


def test_what_was_returned_stays_when_it_is_asked_again() -> None:
    first = booster.margins(TREES, VALUES[:2])
    kept = first.copy()
    booster.margins(TREES, VALUES[2:4])
    assert np.array_equal(first, kept)


def test_arrays_of_many_lengths_leave_nothing_behind() -> None:
    def types() -> int:
        return sum(isinstance(each, type) for each in gc.get_objects())

    booster.margins(TREES, VALUES[:1])
    before = types()
    for rows in range(2, 40):
        booster.margins(TREES, VALUES[:rows])
    assert types() == before


@pytest.mark.parametrize("features", [4, 10])
def test_rows_of_another_number_of_features_are_an_error(features: int) -> None:
    with pytest.raises(ValueError, match=f"rows of {features} features for a ranker of 5"):
        booster.margins(TREES, np.hstack([VALUES, VALUES])[:, :features])
