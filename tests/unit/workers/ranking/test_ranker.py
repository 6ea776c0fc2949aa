"""The ranker: trees, grown one after the other, on a weighted sum."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import xgboost
from numpy.typing import NDArray

from workers.ranking.conditional_logit import ConditionalLogit
from workers.ranking.ranker import Ranker, RankerOptions, RankingExamples


@pytest.fixture(scope="module")
def examples() -> RankingExamples:
    """A hundred products of four candidates: which is right hangs on a sum and on a product of features."""
    random = np.random.default_rng(1)
    values = random.normal(size=(400, 3)).astype(np.float32)
    owner = np.repeat(np.arange(100), 4)
    best = (values[:, 0] * values[:, 1] + values[:, 2]).reshape(100, 4).argmax(axis=1)
    relevant = (np.arange(4) == best[:, None]).ravel()
    return RankingExamples(("a", "b", "c"), (0, 0, 1), values, owner, relevant, np.ones(400, np.float32))


OPTIONS = RankerOptions(trees=20, depth=3)


def test_the_first_trees_of_a_ranker_are_the_ranker_of_so_many_trees(examples: RankingExamples) -> None:
    many, _ = Ranker.fit(examples, OPTIONS)
    few, _ = Ranker.fit(examples, replace(OPTIONS, trees=8))
    assert np.array_equal(many.first(8).margins(examples.values), few.margins(examples.values))
    assert not np.array_equal(many.margins(examples.values), few.margins(examples.values))


def whole_sum(examples: RankingExamples) -> NDArray[np.float32]:
    return ConditionalLogit.fit(examples.values, examples.loss, examples.monotone).margins(examples.values)


def test_trees_improve_on_the_sum_that_they_begin_from(examples: RankingExamples) -> None:
    ranker, losses = Ranker.fit(examples, OPTIONS, held_out=examples)
    assert losses[-1] < losses[0]
    half = whole_sum(examples) / np.float32(2)
    assert examples.loss.mean(ranker.margins(examples.values)) < examples.loss.mean(half)


def test_trees_begin_from_half_of_the_sum_or_from_nothing(examples: RankingExamples) -> None:
    one_leaf = replace(OPTIONS, trees=1, depth=1, learning_rate=1e-9)
    half, none = (
        Ranker.fit(examples, replace(one_leaf, from_sum=from_sum))[0].margins(examples.values)
        for from_sum in (True, False)
    )
    asked = whole_sum(examples) > np.quantile(whole_sum(examples)[examples.relevant], 0.02)
    assert half[asked] == pytest.approx(whole_sum(examples)[asked] / 2, abs=1e-4)
    assert none == pytest.approx(np.zeros(400), abs=1e-5)


def test_candidates_that_the_sum_all_but_rules_out_keep_the_sum(examples: RankingExamples) -> None:
    ranker, _ = Ranker.fit(examples, OPTIONS)
    sums = whole_sum(examples)
    least = np.quantile(sums[examples.relevant], 0.01, method="inverted_cdf")
    ruled_out = sums < least - 1e-5
    assert ruled_out.sum() > 10
    assert ranker.margins(examples.values)[ruled_out] == pytest.approx(sums[ruled_out], abs=1e-4)
    assert np.abs(ranker.margins(examples.values) - sums)[~ruled_out].mean() > 0.1


def test_held_out_candidates_that_are_all_ruled_out_say_nothing_about_the_number_of_trees(
    examples: RankingExamples,
) -> None:
    hopeless = examples.take(np.arange(4))
    hopeless = replace(hopeless, values=np.full_like(hopeless.values, -50))
    _, losses = Ranker.fit(examples, OPTIONS, held_out=hopeless)
    assert losses.tolist() == [0.0] * OPTIONS.trees


def test_trees_are_asked_about_everything_where_no_candidate_is_right(examples: RankingExamples) -> None:
    nothing = replace(examples, relevant=np.zeros_like(examples.relevant))
    ranker, _ = Ranker.fit(nothing, OPTIONS)
    assert (ranker.margins(examples.values) < 0).all()


def test_contributions_of_sum_and_trees_together_make_the_margin(examples: RankingExamples) -> None:
    ranker, _ = Ranker.fit(examples, OPTIONS)
    margins = ranker.margins(examples.values)
    assert ranker.contributions(examples.values).sum(axis=1) == pytest.approx(margins, abs=1e-5)


def test_a_ranker_is_the_same_when_it_is_read_again(examples: RankingExamples, tmp_path: Path) -> None:
    ranker, _ = Ranker.fit(examples, OPTIONS)
    ranker.save(tmp_path)
    again = Ranker.load(tmp_path, examples.names)
    assert np.array_equal(again.margins(examples.values), ranker.margins(examples.values))
    assert np.array_equal(again.contributions(examples.values), ranker.contributions(examples.values))
    with pytest.raises(ValueError, match="of other features"):
        Ranker.load(tmp_path, examples.names[::-1])
    trees = xgboost.Booster(model_file=tmp_path / "ranker.ubj")
    trees.set_attr(least_sum=None)
    trees.save_model(tmp_path / "ranker.ubj")
    with pytest.raises(ValueError, match="does not say which candidates"):
        Ranker.load(tmp_path, examples.names)
