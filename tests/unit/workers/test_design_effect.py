"""What decisions that are wrong together say, and tails of fractional counts."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom

from workers.design_effect import design_effect, design_effects, lower_tail, upper_tail

shares = st.floats(0.001, 0.999)


@given(st.integers(0, 500), st.integers(0, 500), shares)
def test_of_independent_decisions_the_tails_are_those_of_the_binomial(
    wrong: int, right: int, share: float
) -> None:
    count = wrong + right
    assert upper_tail(wrong, count, share) == pytest.approx(binom.sf(wrong - 1, count, share), abs=1e-9)
    assert lower_tail(wrong, count, share) == pytest.approx(binom.cdf(wrong, count, share), abs=1e-9)


@given(st.integers(1, 200), st.integers(1, 200), shares, st.integers(2, 20))
def test_of_copies_the_tails_are_those_of_the_originals(wrong: int, right: int, share: float, copies: int) -> None:
    count = wrong + right
    for tail in (upper_tail, lower_tail):
        once = tail(wrong, count, share)
        assert tail(wrong * copies, count * copies, share, copies) == pytest.approx(once, abs=1e-9)


@given(st.lists(st.booleans(), min_size=2, max_size=50), st.integers(1, 9))
def test_the_effect_of_copies_is_their_number_and_of_single_products_one(wrong: list[bool], copies: int) -> None:
    surprise = np.repeat(np.array(wrong) - 0.3, copies)
    groups = np.repeat(np.arange(len(wrong)), copies)
    assert design_effect(groups, surprise) == pytest.approx(copies)
    assert design_effect(np.arange(len(groups)), surprise) == 1


@given(st.lists(st.tuples(st.integers(0, 5), st.floats(-1, 1)), max_size=40))
def test_the_effects_of_the_first_decisions_are_those_of_each_part_by_itself(
    pairs: list[tuple[int, float]],
) -> None:
    groups = np.array([group for group, _ in pairs], np.int64)
    surprise = np.array([round(each, 3) for _, each in pairs], np.float64)
    alone = [design_effect(groups[:count], surprise[:count]) for count in range(1, len(pairs) + 1)]
    assert design_effects(groups, surprise) == pytest.approx(np.array(alone))


def test_without_decisions_or_surprise_there_is_no_effect() -> None:
    assert design_effect(np.empty(0, np.int64), np.empty(0)) == 1
    assert design_effect(np.zeros(5, np.int64), np.zeros(5)) == 1
