"""Find dead letters and send them again."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Collection, Container, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from confluent_kafka import KafkaError, Message, Producer

from schemas.events.dead_letter import DeadLetter, Reason
from schemas.events.sent_again import headers_again, original_offset
from schemas.topics import PRODUCTS_CHANGED, PRODUCTS_DEAD_LETTER, REVIEWS_DECIDED
from streams.clients.feed import Pace
from streams.clients.partition_reader import read_topic
from streams.clients.subscriber import Received, content_of
from streams.kafka.errors import undelivered
from streams.outgoing import Outgoing
from streams.settings import Settings


@dataclass(frozen=True, slots=True)
class Filter:
    """Selects dead letters: every given condition must match, and an empty set matches everything.

    ``partitions`` are partitions of the original events. ``since`` is inclusive and ``until`` exclusive; both are
    aware times, compared with the time of the dead letter.
    """

    reasons: frozenset[str] = frozenset()
    stages: frozenset[str] = frozenset()
    keys: frozenset[bytes] = frozenset()
    partitions: frozenset[int] = frozenset()
    since: datetime | None = None
    until: datetime | None = None

    def __bool__(self) -> bool:
        named = (self.reasons, self.stages, self.keys, self.partitions, self.since, self.until)
        return any(named)

    def matches(self, received: Received) -> bool:
        """Return whether a message is a dead letter that matches."""
        letter = received.content
        if not isinstance(letter, DeadLetter):
            return False
        seconds = received.timestamp_ms / 1000
        return (
            (not self.reasons or letter.reason in self.reasons)
            and (not self.stages or letter.stage in self.stages)
            and (not self.keys or received.key in self.keys)
            and (not self.partitions or letter.source_partition in self.partitions)
            and (self.since is None or seconds >= self.since.timestamp())
            and (self.until is None or seconds < self.until.timestamp())
        )


def read_dead_letters(settings: Settings, wanted: Filter) -> Iterator[Received]:
    """Yield the matching dead letters that Kafka holds now; raises :class:`schemas.errors.KafkaUnavailable`."""
    topic = settings.topic(PRODUCTS_DEAD_LETTER)
    for event in read_topic(settings, PRODUCTS_DEAD_LETTER):
        received = Received(
            topic=topic,
            partition=event.partition,
            offset=event.offset,
            timestamp_ms=event.timestamp_ms,
            key=event.key,
            value=event.value,
            headers=event.headers,
            content=content_of(PRODUCTS_DEAD_LETTER, event.value, event.headers),
        )
        if wanted.matches(received):
            yield received


@dataclass(slots=True)
class Choice:
    """The dead letters to send again, the latest of each event, as (partition, offset) in ``places``.

    ``repeated`` counts further letters of the same events, which failed more than once or were dead-lettered
    twice; ``foreign`` counts letters from topics other than ours.
    """

    places: set[tuple[int, int]] = field(default_factory=set)
    reasons: Counter[str] = field(default_factory=Counter)
    repeated: int = 0
    foreign: int = 0
    superseded: int = 0


def source_topics(settings: Settings) -> tuple[str, ...]:
    """Return the topics whose events can become dead letters and be sent again."""
    return settings.topic(PRODUCTS_CHANGED), settings.topic(REVIEWS_DECIDED)


NewestVerdicts = Callable[[Collection[bytes]], Mapping[tuple[int, bytes], int]]
"""Given keys, the first offset of the newest verdict on each, by partition and key."""


def choose(
    letters: Iterable[Received], settings: Settings, newest_verdicts: NewestVerdicts, limit: int | None = None
) -> Choice:
    """Choose the latest letter of each event of :func:`source_topics`, at most ``limit``.

    A verdict is left out if there is a newer one on the product: compaction would keep the message sent last, and
    every reader that starts after that would know the older verdict alone.

    Letters that name another topic are left alone: a header must not make us write to an arbitrary topic. Only
    places are kept, because the letters themselves, of up to 8 MB each, may not fit into memory.
    """
    topics = source_topics(settings)
    choice = Choice()
    latest: dict[tuple[str, int, int], tuple[tuple[int, int, int], str]] = {}
    verdicts: dict[tuple[str, int, int], bytes] = {}
    for received in letters:
        letter = received.content
        if not isinstance(letter, DeadLetter) or letter.source_topic not in topics:
            choice.foreign += 1
            continue
        event = (
            letter.source_topic,
            letter.source_partition,
            original_offset(received.headers, letter.source_offset),
        )
        rank = letter.attempt, received.partition, received.offset
        known = latest.get(event)
        choice.repeated += known is not None
        if known is None or rank > known[0]:
            latest[event] = rank, letter.reason
        if letter.source_topic == settings.topic(REVIEWS_DECIDED) and letter.reason != Reason.WRONG_PARTITION:
            verdicts[event] = received.key or b""
    newest = newest_verdicts(frozenset(verdicts.values())) if verdicts else {}
    for event, key in verdicts.items():
        _, partition, first_offset = event
        if newest.get((partition, key), first_offset) > first_offset:
            del latest[event]
            choice.superseded += 1
    for (_, partition, offset), reason in list(latest.values())[:limit]:
        choice.places.add((partition, offset))
        choice.reasons[reason] += 1
    return choice


def chosen(letters: Iterable[Received], places: Container[tuple[int, int]]) -> Iterator[Received]:
    """Yield the letters at these places."""
    return (received for received in letters if (received.partition, received.offset) in places)


@dataclass(slots=True)
class ResendReport:
    """How many letters were sent again, by reason, and how many of these the broker refused."""

    sent: Counter[str] = field(default_factory=Counter)
    failed: int = 0
    first_error: str | None = None


def resend(
    letters: Iterable[Received],
    producer: Producer,
    settings: Settings,
    report: ResendReport,
    rate: float | None = None,
) -> None:
    """Send the original key, value and headers to the topic and partition that each letter came from.

    Events that were in the wrong partition for their key go to the right one. The headers are those of
    :func:`schemas.events.sent_again.headers_again`. ``report`` is updated; it counts refusals once the producer is
    flushed. ``rate`` is in letters per second.
    """
    topics = source_topics(settings)
    pace = Pace(rate, time.monotonic) if rate else None

    def delivered(error: KafkaError | None, message: Message) -> None:
        if error is not None:
            report.failed += 1
            report.first_error = report.first_error or undelivered(error, message)

    for received in letters:
        letter = received.content
        if not isinstance(letter, DeadLetter) or letter.source_topic not in topics:
            continue
        if pace:
            pace.wait(producer.poll)
        _again(received, letter).produce_in_turn(producer, delivered)
        report.sent[letter.reason] += 1
        producer.poll(0)


def _again(received: Received, letter: DeadLetter) -> Outgoing:
    if letter.reason == Reason.WRONG_PARTITION:
        headers = headers_again(received.headers, None)
        return Outgoing(letter.source_topic, received.key, received.value, headers)
    headers = headers_again(received.headers, letter.source_offset)
    return Outgoing(letter.source_topic, received.key, received.value, headers, letter.source_partition)
