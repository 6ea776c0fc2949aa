"""What of an agent's work counts as standing still."""

from __future__ import annotations

import pytest

from streams.agents.context import Turns
from streams.health import Health
from tests.clock import Clock


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def health(clock: Clock) -> Health:
    return Health(clock=clock)


def alive(turns: Turns, health: Health, clock: Clock) -> bool:
    """Let a minute pass in which the event loop turns, and ask."""
    clock.now += 60
    turns.beat_if_idle()
    return health.liveness().ok


def test_work_that_does_not_end_is_found_out(health: Health, clock: Clock) -> None:
    turns = Turns(health, "recall", 30)
    assert alive(turns, health, clock)
    with turns.working():
        assert not alive(turns, health, clock)
    assert health.liveness().ok


def test_a_turn_that_waits_for_a_broker_does_not_stand_still(health: Health, clock: Clock) -> None:
    turns = Turns(health, "recall", 30)
    with turns.working():
        with turns.waiting():
            assert alive(turns, health, clock)
        assert not alive(turns, health, clock)


def test_a_turn_that_waits_hides_no_other_that_stands_still(health: Health, clock: Clock) -> None:
    turns = Turns(health, "recall", 30)
    with turns.working(), turns.working(), turns.waiting():
        assert not alive(turns, health, clock)
