"""Read one partition from one offset to another."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any, Final

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from schemas.errors import KafkaUnavailable
from schemas.topics import PRODUCTS_CHANGED
from streams.clients.connect import open_reader
from streams.replay.span import Span
from streams.replay.standing import PublishedEvent
from streams.settings import Settings

_AT_ONCE: Final = 500
_POLL_SECONDS: Final = 0.2
_SILENCE_SECONDS: Final = 30.0
_TIMEOUT_SECONDS: Final = 10.0
# The end must be told: what lies last may be a transaction's marker, which no consumer ever sees.
_OVERRIDES: Final[dict[str, Any]] = {"enable.partition.eof": True}


def open_event_reader(settings: Settings) -> Consumer:
    """Return a consumer for :func:`read`; raises :class:`KafkaUnavailable`."""
    return open_reader(settings, [PRODUCTS_CHANGED], from_beginning=False, overrides=_OVERRIDES)


def end_of(consumer: Consumer, topic: str, partition: int) -> int:
    """Return the offset after the last message; raises :class:`KafkaUnavailable`."""
    try:
        return int(consumer.get_watermark_offsets(TopicPartition(topic, partition), _TIMEOUT_SECONDS)[1])
    except KafkaException as error:
        raise KafkaUnavailable(f"the end of {topic}/{partition} is not known: {error.args[0].str()}") from error


def read(consumer: Consumer, topic: str, span: Span) -> Iterator[PublishedEvent]:
    """Yield the events of a span that have not expired.

    Raises :class:`KafkaUnavailable` where nothing comes for 30 seconds of waiting.
    """
    partition, first, last = span.partition, span.first, span.last
    consumer.assign([TopicPartition(topic, partition, first)])
    waited = 0.0
    while first < last:
        began = time.monotonic()
        # Asked for many, consume() waits its whole time for them.
        arrived = consumer.poll(_POLL_SECONDS)
        messages = [] if arrived is None else [arrived, *consumer.consume(_AT_ONCE, 0)]
        waited = 0.0 if messages else waited + time.monotonic() - began
        if waited > _SILENCE_SECONDS:
            raise KafkaUnavailable(f"{topic}/{partition} has not answered for {_SILENCE_SECONDS:.0f} s")
        for message in messages:
            first = _position(message, first)
            if message.error() is None and message.offset() < last:
                yield PublishedEvent(message.offset(), message.key(), message.value(), message.headers)


def _position(message: Message, before: int) -> int:
    """Return the next offset to read after a message, or after what librdkafka says in its place."""
    error = message.error()
    if error is None:
        return int(message.offset()) + 1
    if error.code() == KafkaError._PARTITION_EOF:
        return int(message.offset())
    if error.fatal() or not error.retriable():
        raise KafkaUnavailable(f"reading {message.topic() or 'from Kafka'} failed: {error.str()}")
    return before
