"""What of an agent's work counts as standing still."""

from __future__ import annotations

import pytest

from streams.agents.context import LoopHeartbeat
from streams.health import Health
from tests.clock import Clock


@pytest.fixture
def health(clock: Clock) -> Health:
    return Health(clock=clock)


def alive(heartbeat: LoopHeartbeat, health: Health, clock: Clock) -> bool:
    """Let a minute pass in which the event loop turns, and ask."""
    clock.now += 60
    heartbeat.beat_if_idle()
    return health.liveness().ok


def test_work_that_does_not_end_is_found_out(health: Health, clock: Clock) -> None:
    heartbeat = LoopHeartbeat(health, "recall", 30)
    assert alive(heartbeat, health, clock)
    with heartbeat.working():
        assert not alive(heartbeat, health, clock)
    assert health.liveness().ok


def test_an_iteration_that_waits_for_a_broker_does_not_stand_still(health: Health, clock: Clock) -> None:
    heartbeat = LoopHeartbeat(health, "recall", 30)
    with heartbeat.working():
        with heartbeat.waiting():
            assert alive(heartbeat, health, clock)
        assert not alive(heartbeat, health, clock)


def test_an_iteration_that_waits_hides_no_other_that_stands_still(health: Health, clock: Clock) -> None:
    heartbeat = LoopHeartbeat(health, "recall", 30)
    with heartbeat.working(), heartbeat.working(), heartbeat.waiting():
        assert not alive(heartbeat, health, clock)
