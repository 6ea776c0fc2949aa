"""Subscribe to decisions and dead letters."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import msgspec
from confluent_kafka import Consumer, Message

from schemas.errors import InvalidEvent, KafkaUnavailable
from schemas.events.codec import decode
from schemas.events.dead_letter import DeadLetter, Headers
from schemas.events.decision import CategoryAssigned, Decision, NeedsReview
from schemas.topics import CATEGORIES_ASSIGNED, CATEGORIES_NEEDS_REVIEW, PRODUCTS_DEAD_LETTER, Topic
from streams.kafka.headers import headers_of
from streams.settings import Settings

OUTPUTS: Final = (CATEGORIES_ASSIGNED, CATEGORIES_NEEDS_REVIEW, PRODUCTS_DEAD_LETTER)
_MESSAGES_AT_ONCE: Final = 500
_POLL_SECONDS: Final = 0.2


@dataclass(frozen=True, slots=True)
class Received:
    """One message of an output topic.

    ``content`` is the decision or the dead letter, ``None`` if the product's decision on this topic was withdrawn
    (a tombstone), or a text that says why the message cannot be read. ``timestamp_ms`` is since the epoch.
    """

    topic: str
    partition: int
    offset: int
    timestamp_ms: int
    key: bytes | None
    value: bytes | None
    headers: Headers
    content: Decision | DeadLetter | str | None


class Subscriber:
    """Reads messages of the output topics with a consumer of :func:`streams.clients.connect.open_reader`."""

    def __init__(self, consumer: Consumer, settings: Settings) -> None:
        self._consumer = consumer
        self._kinds: dict[str, Topic] = {settings.topic(topic): topic for topic in OUTPUTS}

    def poll(self, seconds: float = _POLL_SECONDS) -> list[Received]:
        """Return what arrives within ``seconds``, possibly nothing; raises :class:`KafkaUnavailable`."""
        messages = self._consumer.consume(_MESSAGES_AT_ONCE, seconds)
        return [self._receive(message) for message in messages]

    def until_silent(self, seconds: float | None) -> Iterator[Received]:
        """Yield messages until none has arrived for ``seconds``; forever if that is ``None``."""
        last = time.monotonic()
        while True:
            received = self.poll()
            yield from received
            now = time.monotonic()
            last = now if received else last
            if seconds is not None and now - last >= seconds:
                return

    def _receive(self, message: Message) -> Received:
        if (error := message.error()) is not None:
            raise KafkaUnavailable(f"reading {message.topic() or 'from Kafka'} failed: {error.str()}")
        headers = headers_of(message)
        return Received(
            topic=message.topic(),
            partition=message.partition(),
            offset=message.offset(),
            timestamp_ms=message.timestamp()[1],
            key=message.key(),
            value=message.value(),
            headers=headers,
            content=content_of(self._kinds[message.topic()], message.value(), headers),
        )


def content_of(topic: Topic, value: bytes | None, headers: Headers) -> Decision | DeadLetter | str | None:
    """Return the content of a message of an output topic, as in :class:`Received`."""
    try:
        if topic is PRODUCTS_DEAD_LETTER:
            return DeadLetter.from_headers(headers)
        if value is None:
            return None
        return decode(value, CategoryAssigned) if topic is CATEGORIES_ASSIGNED else decode(value, NeedsReview)
    except (InvalidEvent, msgspec.ValidationError) as error:
        return f"not written by shelfwise, or by another version of it: {error}"
