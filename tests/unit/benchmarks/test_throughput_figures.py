"""What the throughput benchmark makes of its measurements."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.benchmarks.throughput.figures import (
    Span,
    middle,
    per_core,
    percentile,
    ratios,
    spent,
    spread,
)

SHARES = st.floats(0.01, 1.0)
VALUES = st.lists(st.floats(0, 1e6), min_size=1, max_size=200)


@given(VALUES, SHARES)
def test_a_percentile_is_the_smallest_value_that_the_share_does_not_exceed(
    values: list[float], share: float
) -> None:
    found = percentile(np.array(values), share)
    assert found in values
    assert np.mean(np.array(values) <= found) >= share - 1e-9
    assert np.mean(np.array(values) < found) < share + 1e-9


def test_the_99th_percentile_of_a_hundred_is_the_second_largest() -> None:
    assert percentile(np.arange(1.0, 101.0), 0.99) == 99.0


def test_no_values_have_no_percentile() -> None:
    with pytest.raises(ValueError, match="no values"):
        percentile(np.array([]), 0.5)


def test_first_and_last_tenth_of_the_decisions_do_not_count() -> None:
    steady = 100.0 + np.arange(800) / 1_000
    slow_start, slow_end = np.linspace(0, 90, 100), np.linspace(150, 900, 100)
    span = middle(np.random.default_rng(1).permutation(np.concatenate([slow_start, steady, slow_end])))
    assert span.per_second == pytest.approx(1_000, rel=0.01)
    assert [span.began, span.ended] == pytest.approx([100.0, 100.799])


@pytest.mark.parametrize("times", [np.empty(0), np.arange(10.0), np.zeros(1_000)])
def test_too_few_decisions_measure_nothing(times: np.ndarray[tuple[int], np.dtype[np.float64]]) -> None:
    with pytest.raises(ValueError, match="measure nothing"):
        middle(times)


def test_cpu_time_between_two_samples_is_taken_to_grow_evenly() -> None:
    assert spent([0, 10, 20], [0, 1, 11], Span(5, 15, 100)) == pytest.approx(5.5)


@pytest.mark.parametrize("span", [Span(-1, 5, 9), Span(5, 21, 9)])
def test_a_process_that_was_not_watched_all_the_time_has_no_cost(span: Span) -> None:
    with pytest.raises(ValueError, match="not watched"):
        spent([0, 10, 20], [0, 1, 2], span)


def test_a_process_that_waits_is_charged_a_whole_core_and_a_busy_one_all_of_its_cores() -> None:
    assert per_core(3_000, 0.6) == 3_000
    assert per_core(3_000, 1.5) == 2_000


def test_ratios_are_of_the_same_round_and_leave_out_rounds_that_lack_one() -> None:
    found = ratios([10, 30, None, 8], [5, 10, 7, None])
    assert found is not None
    assert found.rounds == (2.0, 3.0)
    assert found.as_dict() == {"median": 2.5, "min": 2.0, "max": 3.0, "rounds": [2.0, 3.0]}


def test_nothing_measured_has_no_spread() -> None:
    assert spread([None, float("nan")]) is None
    assert ratios([None], [1.0]) is None
