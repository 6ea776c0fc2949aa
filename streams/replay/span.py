"""The span of a replay: from one time or offset to another, as offsets of each partition."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from confluent_kafka import OFFSET_END, Consumer, KafkaException, TopicPartition

from schemas.errors import InvalidSettings, KafkaUnavailable
from streams.kafka.watermarks import watermarks
from streams.local_time import parse_time

BEGINNING: Final = "beginning"
_TIMEOUT_SECONDS: Final = 10.0
_FORMS: Final = "an offset (1200), a time (2026-01-31T08:00, local unless it names a zone), or `beginning`"

Bound = int | datetime
"""An offset, for every partition, or an aware time to compare with Kafka's timestamps."""


@dataclass(frozen=True, slots=True)
class Span:
    """The offsets from ``first`` to ``last`` (exclusive) of one partition."""

    partition: int
    first: int
    last: int


def parse_bound(text: str) -> Bound:
    """Parse a bound as the user wrote it; raises :class:`InvalidSettings`."""
    if text == BEGINNING:
        return 0
    if text.isascii() and text.isdigit() and len(text) < 19:
        return int(text)
    try:
        return parse_time(text)
    except ValueError:
        raise InvalidSettings(f"{text!r} is not a valid start or end of a replay; give {_FORMS}") from None


def resolve(
    consumer: Consumer, topic: str, partitions: Iterable[int], begin: Bound, end: Bound | None
) -> list[Span]:
    """Return the spans that have offsets to read; without an ``end`` they reach to the current ends.

    Raises :class:`KafkaUnavailable` if the broker does not answer.
    """
    spans = []
    try:
        for partition in partitions:
            place = TopicPartition(topic, partition)
            low, high = watermarks(consumer, place, _TIMEOUT_SECONDS)
            first = max(low, _offset(consumer, place, begin, high))
            last = high if end is None else min(high, _offset(consumer, place, end, high))
            if first < last:
                spans.append(Span(partition, first, last))
    except KafkaException as error:
        raise KafkaUnavailable(f"where to replay {topic} from is not known: {error.args[0].str()}") from error
    return spans


def _offset(consumer: Consumer, place: TopicPartition, bound: Bound, end: int) -> int:
    """Return the offset of the first event at or after the bound, or ``end`` if there is none."""
    if isinstance(bound, int):
        return bound
    milliseconds = int(bound.timestamp() * 1000)
    wanted = TopicPartition(place.topic, place.partition, max(milliseconds, 0))
    (found,) = consumer.offsets_for_times([wanted], _TIMEOUT_SECONDS)
    if found.error is not None:
        raise KafkaException(found.error)
    return end if found.offset == OFFSET_END else int(found.offset)
