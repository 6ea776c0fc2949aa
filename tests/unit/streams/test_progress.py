"""What recall and ranking may leave alone after a restart, and what they never may."""

from __future__ import annotations

from contextlib import closing
from types import SimpleNamespace
from typing import Any

import pytest
from confluent_kafka import TopicPartition
from hypothesis import given
from hypothesis import strategies as st

from schemas.events.batch import EventOutcome, Outcome, ProductBatch
from streams import progress
from streams.progress import Mark, SourceProgress, commit_metadata, committed_generation, last_offset
from streams.settings import Settings


def batch(last: int, generation: int | None) -> ProductBatch:
    return ProductBatch(
        batch_id="b",
        source_topic="t",
        source_partition=0,
        attempt=1,
        products=[],
        settled=[EventOutcome(last - 1, Outcome.SUPERSEDED), EventOutcome(last, Outcome.DEAD_LETTER)],
        generation=generation,
    )


def test_a_batch_below_the_committed_offset_needs_no_work() -> None:
    assert Mark(10, 7).passed(batch(9, 7))
    assert not Mark(10, 7).passed(batch(10, 7))


def test_a_batch_of_an_earlier_owner_is_awaited_by_nobody() -> None:
    assert Mark(0, 7).passed(batch(50, 6))


def test_a_batch_of_an_owner_that_is_not_known_yet_is_worked_on() -> None:
    assert not Mark(100, 7).passed(batch(50, 8))


@pytest.mark.parametrize("mark", [Mark(100, 7), Mark(100, None)])
def test_a_batch_without_a_generation_is_worked_on(mark: Mark) -> None:
    assert not mark.passed(batch(50, None))


def test_offsets_that_somebody_else_committed_skip_nothing() -> None:
    assert not Mark(100, committed_generation("set by hand")).passed(batch(50, 7))


def test_a_batch_without_events_ends_before_every_offset() -> None:
    empty = ProductBatch(batch_id="b", source_topic="t", source_partition=0, attempt=1, products=[])
    assert last_offset(empty) == -1


@given(st.none() | st.integers(0, 2**63 - 1))
def test_a_generation_is_read_back_as_it_was_committed(generation: int | None) -> None:
    assert committed_generation(commit_metadata(generation)) == generation


@given(st.none() | st.text() | st.text("0123456789²٣-").map("generation={}".format))
def test_any_text_is_a_generation_or_none(text: str | None) -> None:
    found = committed_generation(text)
    assert found is None or found >= 0


def test_a_probe_of_this_generation_is_never_passed() -> None:
    probe = ProductBatch(
        batch_id="p", source_topic="t", source_partition=0, attempt=1, products=[], generation=7, probe=True
    )
    assert not Mark(100, 7).passed(probe)


class _Broker:
    """Knows one commit of partition 0, of this generation; counts how often it is asked."""

    def __init__(self, generation: int) -> None:
        self.asked = 0
        self.generation = generation

    def committed(self, _places: list[TopicPartition], *, timeout: float) -> list[Any]:
        self.asked += 1
        metadata = commit_metadata(self.generation)
        return [SimpleNamespace(partition=0, offset=10, metadata=metadata, error=None)]

    def close(self) -> None:
        pass


@pytest.fixture(params=[0, 7], ids=["the first owner of all", "a later owner"])
def broker(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> _Broker:
    broker = _Broker(request.param)
    monkeypatch.setattr(progress, "Consumer", lambda _config: broker)
    monkeypatch.setattr(progress, "_REFRESH_SECONDS", 60.0)
    return broker


async def test_the_broker_is_asked_beside_its_turn_only_where_a_batch_is_of_a_later_owner(broker: _Broker) -> None:
    with closing(SourceProgress(Settings(partitions=1))) as known:
        await known.start()
        asked = [broker.asked]
        for ahead in (0, 1):
            await known.passed(batch(50, broker.generation + ahead))
            asked.append(broker.asked)
    assert asked == [1, 1, 2]
