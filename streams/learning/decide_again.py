"""Publish products again after a verdict, so that they are decided as the person says."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Sequence
from contextlib import closing
from threading import Event
from typing import Final, NamedTuple

from confluent_kafka import Consumer, KafkaException, Message, TopicPartition

from schemas.errors import InvalidEvent
from schemas.events.product import identify
from schemas.events.sent_again import headers_again
from schemas.topics import PRODUCTS_CHANGED
from streams.agents.context import Context
from streams.kafka.headers import headers_of
from streams.learning.reader import GROUP
from streams.outgoing import Outgoing
from streams.state.stores import Interrupted

_POLL_SECONDS: Final = 0.2
_SILENCE_SECONDS: Final = 10.0
_ANSWER_SECONDS: Final = 5.0
# It reads single events, and little of what follows them.
_FETCHES: Final = {"queued.min.messages": 1, "fetch.message.max.bytes": 65_536, "fetch.wait.max.ms": 20}
_log = logging.getLogger(__name__)


class JudgedEvent(NamedTuple):
    """The event, at ``offset`` of its topic, behind a decision that the verdict at ``verdict_offset`` changes.

    Both are in the same partition of their topics; ``key`` is that of the product.
    """

    partition: int
    offset: int
    key: bytes
    verdict_offset: int


class DecideAgain:
    """Reads judged events from their topic, and publishes them there again.

    They keep their place among the product's edits, so one that a newer edit has replaced is superseded. An event
    that Kafka no longer holds is left out; the verdict then shows with the product's next edit.
    """

    def __init__(self, context: Context) -> None:
        self._context = context
        self._topic = context.settings.topic(PRODUCTS_CHANGED)
        self._stopped = Event()

    async def publish(self, judged: Sequence[JudgedEvent]) -> None:
        """Publish the events again, and return when the broker has them; raises :class:`Interrupted`."""
        if not judged:
            return
        found = await asyncio.get_running_loop().run_in_executor(None, self._read, sorted(judged))
        await asyncio.gather(*map(self._send, found))

    def stop(self) -> None:
        """Stop waiting for the broker."""
        self._stopped.set()

    async def _send(self, outgoing: Outgoing) -> None:
        try:
            await self._context.sink.send_all([outgoing])
        except KafkaException as error:
            if self._context.sink.failure is not None:
                raise
            _log.error("product %r is not decided again: %s", outgoing.key, error.args[0].str())

    def _read(self, judged: Sequence[JudgedEvent]) -> list[Outgoing]:
        found = []
        for event in judged:
            message = self._read_one(event)
            if message is None or not _is_of(message, event.key):
                _log.info("no event of product %r is at offset %d any more", event.key, event.offset)
                continue
            headers = headers_again(headers_of(message), event.offset, event.verdict_offset)
            found.append(Outgoing(self._topic, message.key(), message.value(), headers, event.partition))
        return found

    def _read_one(self, event: JudgedEvent) -> Message | None:
        """Return the message at the event's offset; ``None`` if Kafka no longer holds it."""
        settings, place = self._context.settings, TopicPartition(self._topic, event.partition, event.offset)
        # It joins no group; of this one, learning may ask for the coordinator, as librdkafka does. A consumer that
        # has read elsewhere, or asked for offsets, may wait a second for its first message; a new one does not.
        config = settings.kafka.consumer_config(settings.group(GROUP), _FETCHES)
        with closing(Consumer(config, logger=_log)) as consumer:
            consumer.assign([place])
            while not self._stopped.is_set():
                silent_at = time.monotonic() + _SILENCE_SECONDS
                while time.monotonic() < silent_at and not self._stopped.is_set():
                    message = consumer.poll(_POLL_SECONDS)
                    if message is not None and message.error() is None:
                        return message if message.offset() == event.offset else None
                if _is_empty(consumer, place):
                    return None
        raise Interrupted


def _is_empty(consumer: Consumer, place: TopicPartition) -> bool:
    """Return whether there is nothing to read at the place; if no broker answers, nobody knows."""
    try:
        _, end = consumer.get_watermark_offsets(place, _ANSWER_SECONDS)
    except KafkaException:
        return False
    return bool(end <= place.offset)


def _is_of(message: Message, key: bytes) -> bool:
    """Return whether a message is an edit of the product; a feed may omit the key, or spread keys differently."""
    try:
        product_id, _ = identify(message.value(), message.key())
    except InvalidEvent:
        return False
    return message.value() is not None and product_id.encode() == key
