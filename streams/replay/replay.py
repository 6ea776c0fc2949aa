"""Publish the newest event of each product in a span again, at a limited rate, alongside live traffic."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain, takewhile
from typing import Final, Protocol

from confluent_kafka import Consumer, KafkaError, Message, Producer

from schemas.errors import KafkaUnavailable
from schemas.events.sent_again import headers_again
from streams.clients.feed import Pace
from streams.clients.partition_reader import PartitionReader, PublishedEvent
from streams.kafka.errors import undelivered
from streams.outgoing import Outgoing, flush
from streams.replay.newest_events import Fate, NewestEvents
from streams.replay.span import Span

# The reader looks for newer edits before each chunk; a chunk takes a quarter of a second at the given rate.
_CHUNK_SECONDS: Final = 0.25
_CHUNK_EVENTS: Final = 500
_FLUSH_SECONDS: Final = 120.0


@dataclass(slots=True)
class ReplayReport:
    """What happened to the events of the spans; in :meth:`counts`, ``events`` is the sum of all other counts.

    ``superseded`` events have a newer edit on the topic, and ``removed`` ones belong to a product that is gone, so
    neither are replayed; ``invalid`` events are dead letters; ``failed`` events were refused by the broker.
    """

    fates: Counter[Fate] = field(default_factory=Counter)
    failed: int = 0
    first_error: str | None = None

    def counts(self) -> dict[str, int]:
        """Return the counts by name."""
        named = {fate.name.lower(): self.fates[fate] for fate in Fate if fate is not Fate.REPLAY}
        return {
            "events": self.fates.total(),
            "replayed": self.fates[Fate.REPLAY] - self.failed,
            **named,
            "failed": self.failed,
        }


class Watcher(Protocol):
    """Receives the progress of a replay."""

    def scanning(self, span: Span, offset: int) -> None:
        """Called while the partition is searched for newer edits; this offset has been read."""

    def replayed(self, span: Span, next_offset: int) -> None:
        """Called when every event of the span before ``next_offset`` is handled and acknowledged."""


class Replay:
    """Replays spans one after the other; ``reader`` and ``tail`` are consumers of ``open_partition_reader``.

    Events go to the partition they came from, with the headers of :func:`headers_again`. Without a ``producer``
    they are only counted. ``rate`` is in events per second.
    """

    def __init__(
        self,
        topic: str,
        reader: Consumer,
        tail: Consumer,
        producer: Producer | None,
        rate: float,
    ) -> None:
        self.report = ReplayReport()
        self._topic = topic
        self._reader = reader
        self._tail = tail
        self._producer = producer
        self._pace = Pace(rate, time.monotonic)
        self._chunk = max(1, min(_CHUNK_EVENTS, int(rate * _CHUNK_SECONDS)))

    def run(self, spans: Sequence[Span], watcher: Watcher) -> ReplayReport:
        """Run the replay; raises :class:`KafkaUnavailable`. What ``watcher`` was told before an error is done."""
        for span in spans:
            self._run_span(span, watcher)
        return self.report

    def flush(self) -> ReplayReport:
        """Wait until everything sent is acknowledged or refused; also for use after an interruption.

        Raises :class:`KafkaUnavailable` if that takes more than two minutes.
        """
        if self._producer is not None and not flush(self._producer, _FLUSH_SECONDS):
            raise KafkaUnavailable(f"{self._topic} has acknowledged nothing for {_FLUSH_SECONDS:.0f} s")
        return self.report

    def _run_span(self, span: Span, watcher: Watcher) -> None:
        newest = NewestEvents(span.last)
        tail = PartitionReader(self._tail, self._topic, span.partition, span.first)
        for event in tail.read_to(tail.end()):
            newest.add(event)
            if event.offset % 1_000 == 0:
                watcher.scanning(span, event.offset)
        reader = PartitionReader(self._reader, self._topic, span.partition, span.first)
        events = takewhile(lambda event: event.offset < span.last, reader.read_to(span.last))
        failed = self.report.failed
        for chunk in _chunks(events, newest, self._chunk if self._producer else _CHUNK_EVENTS):
            # An event must not be replayed after a newer edit that arrived meanwhile, so look for these first.
            for event in tail.read_to(tail.end()):
                newest.add(event)
            self._publish(chunk, newest, span)
            if self.report.failed == failed:
                watcher.replayed(span, chunk[-1].offset + 1)
        if self.report.failed == failed:
            watcher.replayed(span, span.last)

    def _publish(self, chunk: list[PublishedEvent], newest: NewestEvents, span: Span) -> None:
        for event in chunk:
            fate = newest.fate(event)
            if fate is Fate.REPLAY and self._producer is not None:
                self._pace.wait(self._producer.poll)
                self._send(self._producer, event, span.partition)
            self.report.fates[fate] += 1
        self.flush()

    def _send(self, producer: Producer, event: PublishedEvent, partition: int) -> None:
        headers = headers_again(event.headers, event.offset)
        message = Outgoing(self._topic, event.key, event.value, headers, partition)
        message.produce_in_turn(producer, self._delivered)

    def _delivered(self, error: KafkaError | None, message: Message) -> None:
        if error is not None:
            self.report.failed += 1
            self.report.first_error = self.report.first_error or undelivered(error, message)


def _chunks(
    events: Iterator[PublishedEvent], newest: NewestEvents, replays: int
) -> Iterator[list[PublishedEvent]]:
    """Split the events into chunks, each with at most ``replays`` events to replay."""
    for first in events:
        chunk: list[PublishedEvent] = []
        left = replays
        for event in chain([first], events):
            chunk.append(event)
            left -= newest.fate(event) is Fate.REPLAY
            if left == 0 or len(chunk) >= _CHUNK_EVENTS:
                break
        yield chunk
