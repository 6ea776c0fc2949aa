"""Changes of statistics are applied, or read again: none is passed over because of another."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from schemas.events.codec import decode, encode
from schemas.events.position import SourcePosition
from schemas.events.statistics import StatisticsBatch, StatisticsChanged
from schemas.topics import STATISTICS_CHANGED
from streams.agents.context import Context
from streams.agents.statistics import StatisticsStage, statistics_messages
from streams.health import Health
from streams.metrics import Metrics
from streams.settings import Settings
from streams.state.stores import Interrupted
from tests.agent_fakes import Event, Stream


class Table(dict[bytes, bytes]):
    """A partition of a table, which may refuse to be read."""

    refusal: Exception | None = None

    def get(self, key: bytes, /) -> bytes | None:  # type: ignore[override]
        if self.refusal:
            raise self.refusal
        return super().get(key)


@pytest.fixture
def brands() -> Table:
    return Table()


@pytest.fixture
def stage(tmp_path: Path, brands: Table) -> StatisticsStage:
    nothing: Any = None
    context = Context(Settings(data_dir=tmp_path), nothing, Metrics(), Health())
    return StatisticsStage(context, {"brand": lambda _: brands})


def change(brand: str, offset: int = 1) -> StatisticsChanged:
    source = SourcePosition("categories.assigned.v1", 0, offset)
    return StatisticsChanged(kind="brand", key=brand, source=source, added_category="lamps", added_weight=1.0)


def message(offset: int, *brands: str) -> Event:
    return Event(0, offset, encode(StatisticsBatch([change(brand, offset) for brand in brands])))


def work(stage: StatisticsStage, *events: Event) -> list[int]:
    """Let the stage read events; return the offsets that it acknowledged."""
    stream = Stream(*events)
    asyncio.run(stage.run(stream))
    return [event.offset for event in stream.acknowledged]


def test_a_key_that_cannot_be_read_costs_no_other_its_change(stage: StatisticsStage, brands: Table) -> None:
    brands[b"ikea"] = b"{"
    assert work(stage, message(1, "ikea", "acme")) == [1]
    assert brands[b"ikea"] == b"{"
    assert b"lamps" in brands[b"acme"]
    assert stage.failure is None


def test_what_is_no_message_of_changes_is_passed_over(stage: StatisticsStage, brands: Table) -> None:
    assert work(stage, Event(0, 1, b"{"), message(2, "acme")) == [1, 2]
    assert list(brands) == [b"acme"]


def test_when_a_table_cannot_be_read_nothing_is_acknowledged_until_a_restart(
    stage: StatisticsStage, brands: Table
) -> None:
    brands.refusal = OSError("no space left")
    assert work(stage, message(1, "acme")) == []
    assert isinstance(stage.failure, OSError)
    brands.refusal = None
    assert work(stage, message(2, "acme")) == []


def test_changes_of_a_partition_that_was_taken_away_are_left_to_its_next_owner(
    stage: StatisticsStage, brands: Table
) -> None:
    brands.refusal = Interrupted()
    assert work(stage, message(1, "acme")) == []
    assert stage.failure is None


def test_changes_of_keys_with_long_names_make_messages_that_the_topic_takes() -> None:
    """One that the broker refuses would end the worker, at each start."""
    changes = [
        StatisticsChanged(
            kind="store",
            key=f"{number:04}" + "\u8336" * 508,
            source=SourcePosition("products", 0, number),
            added_category="c" * 256,
            added_weight=1.0,
        )
        for number in range(2_000)
    ]
    messages = statistics_messages(Settings(partitions=1), changes)
    sent = [change for message in messages for change in decode(message.value, StatisticsBatch).changes]
    assert sent == changes
    assert max(len(message.value or b"") for message in messages) < STATISTICS_CHANGED.max_message_bytes
