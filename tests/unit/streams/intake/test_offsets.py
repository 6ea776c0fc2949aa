"""What is shown of a partition's lag."""

from __future__ import annotations

import time
from typing import Any

import pytest
from confluent_kafka import OFFSET_INVALID, TopicPartition
from prometheus_client import CollectorRegistry

from schemas.events.codec import encode
from schemas.events.product import Product
from streams.intake.offsets import Offsets
from streams.intake.packer import SourceEvent
from streams.intake.partition import PartitionIntake
from streams.intake.window import Window
from streams.metrics import Metrics


class Ends:
    """The partition has twenty events."""

    def refresh(self, _partitions: object) -> None:
        pass

    def known(self, _partition: int) -> int:
        return 20


class Brings:
    """A consumer that is so far."""

    def __init__(self) -> None:
        self.offset: int = OFFSET_INVALID

    def position(self, places: list[TopicPartition]) -> list[TopicPartition]:
        return [TopicPartition(place.topic, place.partition, self.offset) for place in places]


class Reported:
    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 1_000.0
        monkeypatch.setattr(time, "monotonic", lambda: self.now)
        monkeypatch.setattr(time, "time", lambda: self.now)
        self.registry = CollectorRegistry()
        ends: Any = Ends()
        self.offsets = Offsets("t", Metrics(self.registry), ends)
        self.consumer = Brings()
        self.state = PartitionIntake("t", 0, 8, Window(4, 10, lambda: self.now), next_offset=0)

    def lag(self, after_seconds: float = 2.0) -> tuple[float | None, float | None]:
        """Return the events and seconds that are shown then."""
        self.now += after_seconds
        consumer: Any = self.consumer
        self.offsets.turn(consumer, {0: self.state})
        labels = {"topic": "t", "partition": "0"}
        names = ("shelfwise_consumer_lag_events", "shelfwise_consumer_lag_seconds")
        events, seconds = (self.registry.get_sample_value(name, labels) for name in names)
        return events, seconds


@pytest.fixture
def reported(monkeypatch: pytest.MonkeyPatch) -> Reported:
    return Reported(monkeypatch)


def event(offset: int) -> SourceEvent:
    return SourceEvent(offset, 990_000, b"p", encode(Product(product_id="p", title="lamp")), [])


def test_the_age_is_that_of_the_oldest_event_that_was_read(reported: Reported) -> None:
    reported.state.add(event(0))
    assert reported.lag() == (20, 12)


def test_while_reading_has_stopped_and_nothing_read_is_left_the_age_grows(reported: Reported) -> None:
    assert reported.lag() == (20, 0), "what lies there may belong to a transaction that is open"
    reported.state.reading = False
    assert reported.lag() == (20, 0)
    assert reported.lag(600) == (20, 600)
    reported.state.reading = True
    assert reported.lag() == (20, 0)


def test_what_the_consumer_passes_and_never_brings_does_not_wait(reported: Reported) -> None:
    reported.consumer.offset = 20
    assert reported.lag() == (0, 0)


def test_what_the_consumer_brought_waits_for_its_outcome(reported: Reported) -> None:
    reported.consumer.offset = 20
    reported.state.add(event(6))
    assert reported.lag() == (14, 12)
    reported.state.drop_backlog()
    assert reported.lag() == (14, 0), "left to the next owner"


def test_what_the_consumer_passes_is_not_committed_and_no_event_is_taken_for_one_that_is_held(
    reported: Reported,
) -> None:
    reported.consumer.offset = 20
    reported.lag()
    assert reported.state.next_offset == 0
    assert reported.state.add(event(3))
    # The consumer that is asked here can commit nothing.
    assert reported.lag() == (17, 14)
