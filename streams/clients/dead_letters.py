"""Find dead letters, and send them again."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from confluent_kafka import Consumer, KafkaError, Message, Producer

from schemas.errors import KafkaUnavailable
from schemas.events.dead_letter import ATTEMPT_HEADER, DeadLetter, Headers, original_headers
from schemas.topics import PRODUCTS_DEAD_LETTER
from streams.clients.connect import end_offsets, open_reader
from streams.clients.subscriber import Received, Subscriber
from streams.settings import Settings

_SILENCE_SECONDS: Final = 30.0


@dataclass(frozen=True, slots=True)
class Filter:
    """Which dead letters: all that are given must match; an empty set matches any.

    ``since`` is inclusive, ``until`` is not; both are aware times of the letter's death.
    """

    reasons: frozenset[str] = frozenset()
    stages: frozenset[str] = frozenset()
    keys: frozenset[bytes] = frozenset()
    since: datetime | None = None
    until: datetime | None = None

    def __bool__(self) -> bool:
        return bool(self.reasons or self.stages or self.keys or self.since or self.until)

    def matches(self, received: Received) -> bool:
        """Return whether a message is a dead letter of this kind."""
        letter = received.content
        if not isinstance(letter, DeadLetter):
            return False
        seconds = received.timestamp_ms / 1000
        return (
            (not self.reasons or letter.reason in self.reasons)
            and (not self.stages or letter.stage in self.stages)
            and (not self.keys or received.key in self.keys)
            and (self.since is None or seconds >= self.since.timestamp())
            and (self.until is None or seconds < self.until.timestamp())
        )


def read_dead_letters(settings: Settings, wanted: Filter) -> Iterator[Received]:
    """Yield the matching dead letters that the topic holds now; raises :class:`KafkaUnavailable`."""
    consumer = open_reader(settings, [PRODUCTS_DEAD_LETTER], from_beginning=True)
    try:
        for received in _until_end(consumer, settings):
            if wanted.matches(received):
                yield received
    finally:
        consumer.close()


def _until_end(consumer: Consumer, settings: Settings) -> Iterator[Received]:
    topic = settings.topic(PRODUCTS_DEAD_LETTER)
    missing = end_offsets(consumer, topic, [item.partition for item in consumer.assignment()])
    subscriber = Subscriber(consumer, settings)
    last = time.monotonic()
    while missing:
        received = subscriber.poll()
        for item in received:
            if item.offset < missing.get(item.partition, 0):
                yield item
            if item.offset + 1 >= missing.get(item.partition, 0):
                missing.pop(item.partition, None)
        last = time.monotonic() if received else last
        if time.monotonic() - last > _SILENCE_SECONDS:
            raise KafkaUnavailable(f"{topic} has not answered for {_SILENCE_SECONDS:.0f} s; is the cluster well?")


@dataclass(slots=True)
class ResendReport:
    """How many were sent again, by reason; refused by the broker; and left since their source is not ours."""

    sent: Counter[str] = field(default_factory=Counter)
    failed: int = 0
    foreign: int = 0
    first_error: str | None = None


def resend(letters: Iterable[Received], producer: Producer, topic: str) -> ResendReport:
    """Send the original key, value and headers to the partition of ``topic`` that each came from.

    A letter that names another topic is left alone: a header must not make us write wherever it says. The
    attempt, one more than the last, goes along as :data:`ATTEMPT_HEADER`.
    """
    report = ResendReport()

    def delivered(error: KafkaError | None, message: Message) -> None:
        if error is not None:
            report.failed += 1
            report.first_error = report.first_error or f"{message.key()!r}: {error.str()}"

    for received in letters:
        letter = received.content
        if not isinstance(letter, DeadLetter) or letter.source_topic != topic:
            report.foreign += 1
            continue
        report.sent[letter.reason] += 1
        while True:
            try:
                producer.produce(
                    topic,
                    key=received.key,
                    value=received.value,
                    headers=again_headers(letter, received.headers),
                    partition=letter.source_partition,
                    on_delivery=delivered,
                )
                break
            except BufferError:
                producer.poll(0.2)
        producer.poll(0)
    producer.flush()
    return report


def again_headers(letter: DeadLetter, headers: Headers) -> Headers:
    """Return the original headers and the attempt to come."""
    return [*original_headers(headers), (ATTEMPT_HEADER, str(letter.attempt + 1).encode())]
