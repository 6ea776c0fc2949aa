"""The tests of the gate say what their sources say."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from workers.gate.significance import able_to_reject, holm, p_of_fall, sign_test

P_VALUES = st.lists(st.floats(0, 1), min_size=1, max_size=20).map(np.array)


def test_holm_steps_down_and_stops_at_the_first_that_fails() -> None:
    assert holm(np.array([0.04, 0.01, 0.03, 0.005]), 0.05).tolist() == [False, True, False, True]
    assert holm(np.array([0.01, 0.02]), 0.05).tolist() == [True, True]
    assert holm(np.array([]), 0.05).tolist() == []


@given(P_VALUES, st.floats(0.001, 0.2))
def test_holm_rejects_what_bonferroni_rejects_and_nothing_above_the_level(
    p_values: np.ndarray, level: float
) -> None:
    rejected = holm(p_values, level)
    assert rejected[p_values <= level / len(p_values)].all()
    assert not rejected[p_values > level].any()


def test_the_sign_test_is_exact() -> None:
    assert sign_test(0, 0) == 1.0
    assert sign_test(5, 0) == pytest.approx(1 / 32)
    assert sign_test(3, 1) == pytest.approx(5 / 16)


@given(P_VALUES, st.floats(0.001, 0.2))
def test_what_is_tested_could_be_rejected_after_correction_for_what_is_tested(
    least: np.ndarray, level: float
) -> None:
    able = able_to_reject(least, level)
    assert (least[able] <= level / max(1, able.sum())).all()
    assert able[least <= level / len(least)].all()


def test_no_difference_is_no_fall() -> None:
    assert p_of_fall(0.0, np.zeros(100)) == 1.0
    assert p_of_fall(float("nan"), np.zeros(100)) == 1.0
    assert p_of_fall(-0.1, np.full(100, np.nan)) == 1.0


def test_a_difference_beyond_all_draws_is_a_fall() -> None:
    replicated = np.random.default_rng(0).normal(-0.1, 0.01, 999)
    assert p_of_fall(-0.1, replicated) == pytest.approx(0.001)
    assert p_of_fall(0.1, replicated + 0.2) == 1.0
