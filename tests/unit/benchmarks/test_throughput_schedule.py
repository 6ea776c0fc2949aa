"""Open-loop schedules."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.benchmarks.throughput.schedule import Schedule

RATES = st.floats(0.5, 5_000)


@given(RATES, st.floats(0, 100))
def test_as_many_events_are_due_as_the_rate_says(rate: float, elapsed: float) -> None:
    due = Schedule(rate, 10**9).due(elapsed)
    assert (due - 1) / rate <= elapsed + 1e-9
    assert due / rate > elapsed - 1e-9


@given(RATES, st.floats(0, 10))
def test_after_the_wait_the_next_event_is_due(rate: float, elapsed: float) -> None:
    schedule = Schedule(rate, 10**9)
    sent = schedule.due(elapsed)
    wait = schedule.wait(sent, elapsed)
    assert 0 <= wait <= 1 / rate + 1e-9
    assert schedule.due(elapsed + wait + 1e-6) > sent


def test_no_more_is_due_than_the_schedule_has() -> None:
    schedule = Schedule.lasting(100, 2)
    assert schedule.events == 200
    assert schedule.due(50) == 200
    assert schedule.due(-0.1) == 0


@pytest.mark.parametrize(("rate", "seconds"), [(0, 5), (-1, 5), (10, 0.01)])
def test_no_load_is_refused(rate: float, seconds: float) -> None:
    with pytest.raises(ValueError, match="no load"):
        Schedule.lasting(rate, seconds)


def test_a_stall_costs_every_event_that_it_delays() -> None:
    schedule = Schedule(1_000, 1_000)
    due = 500.0 + np.arange(1_000) / 1_000
    # Half a second in which nothing is decided.
    appended = np.maximum(due + 0.002, 500.6)
    late = schedule.latencies(np.arange(1_000), appended, 500.0)
    assert late[0] == pytest.approx(600, abs=0.01)
    assert np.sum(late > 100.5) == 500
    assert late[-1] == pytest.approx(2, abs=0.01)


def test_the_coarse_clock_of_the_broker_makes_nothing_early() -> None:
    assert Schedule(1_000, 2).latencies(np.array([1]), np.array([7.0]), 7.0).tolist() == [0.0]
