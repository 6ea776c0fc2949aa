"""Trees are grown one after the other: fewer of them are what fewer would have been."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from workers.ranking.features import FeatureMatrix
from workers.ranking.ranker import Lessons, Ranker, RankerOptions

pytestmark = pytest.mark.unit


def test_the_first_trees_of_a_ranker_are_the_ranker_of_so_many_trees() -> None:
    random = np.random.default_rng(1)
    values = random.normal(size=(400, 3)).astype(np.float32)
    features = FeatureMatrix(values, ("a", "b", "c"), ("s", "s", "s"), (0, 0, 1), np.zeros((400, 1), np.int64))
    owner = np.repeat(np.arange(100), 4)
    relevant = np.zeros(400, np.bool_)
    relevant[4 * np.arange(100) + (values[:, 0] * values[:, 1] + values[:, 2]).reshape(100, 4).argmax(axis=1)] = (
        True
    )
    lessons = Lessons(features, values, owner, relevant, np.ones(400, np.float32))
    options = RankerOptions(trees=20, depth=3)
    many, _ = Ranker.fit(lessons, options)
    few, _ = Ranker.fit(lessons, replace(options, trees=8))
    assert np.array_equal(many.first(8).margins(values), few.margins(values))
    assert not np.array_equal(many.margins(values), few.margins(values))
