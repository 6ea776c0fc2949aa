from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from streams.intake.breaker import MAX_PAUSE_SECONDS, Breaker, Limits, State
from tests.clock import Clock


def breaker(clock: Clock | None = None, invalid: float = 1.0) -> Breaker:
    return Breaker(Limits(events=100, failed=0.25, invalid=invalid, pause_seconds=30), clock or Clock())


def opened(clock: Clock) -> Breaker:
    found = breaker(clock)
    assert found.record("a batch", events=26, failed=26)
    return found


def test_it_opens_when_more_than_the_share_of_the_latest_events_failed() -> None:
    found = breaker()
    assert not found.record("one", events=50, failed=25)
    assert found.reads
    assert found.record("two", events=10, failed=1)
    assert (found.reads, found.sends) == (False, False)
    assert found.why == "26 of the latest 100 events failed in recall or ranking (limit 25%)"


def test_failures_of_long_ago_do_not_count() -> None:
    found = breaker()
    for _ in range(40):
        assert not found.record("a batch", events=10, failed=2)


def test_a_feed_that_sends_nothing_but_malformed_events_stops_nothing_unless_a_limit_is_set() -> None:
    garbage = {"events": 1_000, "invalid": 1_000}
    assert not breaker().record("a batch", **garbage)
    assert breaker(invalid=0.99).record("a batch", **garbage)


def test_after_a_pause_one_probe_alone_is_sent_and_if_it_is_done_all_flows(clock: Clock) -> None:
    found = opened(clock)
    clock.now = 29
    assert not found.turn()
    clock.now = 30
    assert found.turn()
    assert (found.reads, found.sends) == (True, True)
    found.probe("probe")
    assert not found.sends
    assert not found.record("one that was in flight", events=8, done=8)
    assert found.record("probe", events=8, done=8)
    assert found.state is State.CLOSED


def test_a_probe_that_fails_opens_it_for_twice_as_long(clock: Clock) -> None:
    found = opened(clock)
    pauses = []
    for _ in range(7):
        pauses.append(found.pause_seconds)
        clock.now += found.pause_seconds
        assert found.turn()
        found.probe("probe")
        assert found.record("probe", events=1, failed=1)
    assert pauses == [30, 60, 120, 240, 480, MAX_PAUSE_SECONDS, MAX_PAUSE_SECONDS]


def test_a_probe_that_came_no_further_than_recall_says_nothing_and_another_is_sent(clock: Clock) -> None:
    found = opened(clock)
    clock.now = 30
    found.turn()
    found.probe("probe")
    assert not found.record("probe", events=8)
    assert (found.state, found.sends) == (State.HALF_OPEN, True)


def test_a_probe_that_is_lost_with_its_partition_is_replaced(clock: Clock) -> None:
    found = opened(clock)
    clock.now = 30
    found.turn()
    found.probe("probe")
    found.lost()
    assert found.sends


@given(st.lists(st.tuples(st.integers(1, 30), st.integers(0, 30)), max_size=60))
def test_no_more_events_die_than_the_limit_and_one_batch(batches: list[tuple[int, int]]) -> None:
    """However bad the release: what was sent before it opens is bounded."""
    found = breaker()
    failed_in_a_row = 0
    for events, failed in batches:
        if not found.reads:
            break
        found.record("a batch", events=events, failed=min(events, failed))
        failed_in_a_row = failed_in_a_row + events if failed >= events else 0
        assert failed_in_a_row <= 25 + 30 or not found.reads
