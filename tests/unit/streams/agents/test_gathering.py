"""Events that come while others are worked on are taken together, each partition's in their order."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.events.batch import ProductBatch
from streams.agents.gathering import MOST_AT_ONCE, Gathering, LocalBatch
from tests.agent_fakes import Event, Stream


def stream_of(*partitions: int | None, refused: Collection[int] = ()) -> Stream:
    """Return a stream of an event of each of these partitions; at ``None`` the work has its turn."""
    events = [part if part is None else Event(part, offset) for offset, part in enumerate(partitions)]
    return Stream(*events, refused=refused)


def groups_of(stream: Stream, failing: frozenset[int] = frozenset()) -> list[list[Event]]:
    """Return the groups that were worked on; ``failing`` are the offsets at which the work raises."""
    groups: list[list[Event]] = []

    async def work(events: list[Event]) -> None:
        groups.append(events)
        await asyncio.sleep(0)
        if any(event.offset in failing for event in events):
            raise RuntimeError("no such luck")

    asyncio.run(Gathering(work).run(stream))
    return groups


def test_what_waits_is_taken_together_one_of_each_partition() -> None:
    groups = groups_of(stream_of(0, 1, 1, 2, 0))
    assert [[event.offset for event in group] for group in groups] == [[0, 1, 3], [4, 2]]


def test_of_many_partitions_none_waits_until_all_is_done_of_others() -> None:
    partitions = [number for number in range(MOST_AT_ONCE + 4) for _ in range(2)]
    groups = groups_of(stream_of(*partitions))
    taken = [[event.partition for event in group] for group in groups]
    assert taken[0] == list(range(MOST_AT_ONCE))
    assert taken[1] == [*range(MOST_AT_ONCE, MOST_AT_ONCE + 4), *range(MOST_AT_ONCE - 4)]
    assert sorted(taken[2]) == list(range(MOST_AT_ONCE - 4, MOST_AT_ONCE + 4))


@given(st.lists(st.none() | st.integers(0, 3), max_size=200))
def test_each_event_is_worked_on_once_in_the_order_of_its_partition_and_then_acknowledged(
    given: list[int | None],
) -> None:
    stream = stream_of(*given)
    groups = groups_of(stream)
    done = [event for group in groups for event in group]
    assert sorted(event.offset for event in done) == [
        place for place, part in enumerate(given) if part is not None
    ]
    for partition in range(4):
        offsets = [event.offset for event in done if event.partition == partition]
        assert offsets == sorted(offsets)
    assert all(len({event.partition for event in group}) == len(group) for group in groups)
    assert stream.acknowledged == done


def test_work_that_raises_is_logged_not_acknowledged_and_ends_nothing(caplog: pytest.LogCaptureFixture) -> None:
    stream = stream_of(0, None, None, None, 0, None, None, None, 0)
    assert len(groups_of(stream, frozenset({4}))) == 3
    assert [event.offset for event in stream.acknowledged] == [0, 8]
    assert "work on t [0] offset 4 failed" in caplog.text


def test_an_acknowledgement_that_fails_ends_nothing() -> None:
    stream = stream_of(0, None, None, None, 1, refused={0})
    assert len(groups_of(stream)) == 2
    assert [event.offset for event in stream.acknowledged] == [4]


async def test_what_waits_is_forgotten_and_what_is_worked_on_is_waited_for() -> None:
    stream = stream_of(0, 0, 0, 1, None, None, None, None, 1)
    begun, goes_on = asyncio.Event(), asyncio.Event()
    worked_on: list[int] = []

    async def work(events: list[Event]) -> None:
        begun.set()
        await goes_on.wait()
        worked_on.extend(event.offset for event in events)

    gathering = Gathering(work)
    running = asyncio.create_task(gathering.run(stream))
    await begun.wait()
    gathering.forget()
    idle = asyncio.create_task(gathering.idle())
    await asyncio.sleep(0)
    assert not idle.done()
    goes_on.set()
    await idle
    assert worked_on[:2] == [0, 3]
    await running
    assert [event.offset for event in stream.acknowledged] == worked_on == [0, 3, 8]


def local_batch(partition: int) -> ProductBatch:
    return ProductBatch(batch_id="b", source_topic="s", source_partition=partition, attempt=1, products=[])


async def test_a_batch_that_is_handed_over_takes_its_turn_among_events_and_is_not_acknowledged() -> None:
    stream = stream_of(0, 1, None, None, None, 0)
    groups: list[list[Any]] = []

    async def work(items: list[Any]) -> None:
        if not groups:
            gathering.add([local_batch(0), local_batch(2)])
        groups.append(items)

    gathering = Gathering(work)
    await gathering.run(stream)
    assert [[type(item) for item in group] for group in groups] == [
        [Event, Event],
        [LocalBatch, LocalBatch],
        [Event],
    ]
    assert [item.batch.source_partition for item in groups[1]] == [0, 2]
    assert [event.offset for event in stream.acknowledged] == [0, 1, 5]


def test_batches_that_were_handed_over_and_wait_are_given_back_when_what_waits_is_forgotten() -> None:
    async def work(items: list[Any]) -> None:
        raise AssertionError(items)

    gathering = Gathering(work)
    batches = [local_batch(0), local_batch(1)]
    gathering.add(batches)
    assert gathering.forget() == batches
    assert gathering.forget() == []
