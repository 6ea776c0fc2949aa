"""The ranker: trees, grown one after the other, on a weighted sum."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

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


def test_trees_improve_on_the_sum_that_they_begin_from(examples: RankingExamples) -> None:
    ranker, losses = Ranker.fit(examples, OPTIONS, held_out=examples)
    base = ConditionalLogit.fit(examples.values, examples.loss, examples.monotone, OPTIONS.share_of_sum)
    assert losses[-1] < losses[0] < examples.loss.mean(base.margins(examples.values))
    assert losses[-1] == pytest.approx(examples.loss.mean(ranker.margins(examples.values)), abs=1e-5)


def test_a_ranker_begins_from_the_share_of_the_sum_that_it_is_told(examples: RankingExamples) -> None:
    one_leaf = replace(OPTIONS, trees=1, depth=1, learning_rate=1e-9)
    whole, half, none = (
        Ranker.fit(examples, replace(one_leaf, share_of_sum=share))[0].margins(examples.values)
        for share in (1.0, 0.5, 0.0)
    )
    assert half == pytest.approx(whole / 2, abs=1e-5)
    assert none == pytest.approx(np.zeros(400), abs=1e-5)
    assert RankerOptions().share_of_sum == 0.5


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
