"""Send the changes of tables to the changelogs with librdkafka: Faust takes 200 us per change."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from typing import Final, NamedTuple, Protocol

from confluent_kafka import KafkaError, KafkaException, Message

from streams.kafka.connection import KafkaConnection
from streams.kafka.errors import of_topic
from streams.polled_producer import PolledProducer
from streams.state.stores import Change

_FULL_SECONDS: Final = 0.01
_log = logging.getLogger(__name__)


class Store(Protocol):
    """A store that is told about changes that have arrived."""

    def acknowledged(self, partition: int, changes: Sequence[Change], offset: int) -> None:
        """Note that the changes have arrived, the last of them at ``offset`` of the changelog."""


class _Sent(NamedTuple):
    number: int
    store: Store
    key: bytes
    value: bytes | None


class _Arrived(NamedTuple):
    sent: _Sent
    partition: int
    offset: int
    error: KafkaError | None


class TableChanges:
    """Sends the changes of all tables of an application, and waits for them.

    Use it only in the application's event loop.
    """

    def __init__(self, connection: KafkaConnection) -> None:
        self._connection = connection
        self._producer: PolledProducer | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._sent = 0
        # Used as an ordered set: the first key is the oldest.
        self._under_way: dict[int, None] = {}
        self._waiting: deque[tuple[int, asyncio.Future[None]]] = deque()
        self._arrived: deque[_Arrived] = deque()
        self._woken = False
        self._failure: BaseException | None = None

    @property
    def failure(self) -> BaseException | None:
        """What kept a change from arriving, or ended the producer for good."""
        return self._failure or (self._producer.failure if self._producer else None)

    def send(self, store: Store, topic: str, partition: int, key: bytes, value: bytes | None) -> None:
        """Send a change; ``None`` removes the key. Blocks while the producer's queue is full."""
        if self._producer is None:
            self._producer = PolledProducer(self._connection, "table-changes")
            self._loop = asyncio.get_running_loop()
        number, self._sent = self._sent, self._sent + 1
        self._under_way[number] = None
        callback = partial(self._on_delivery, _Sent(number, store, key, value))
        while True:
            try:
                self._producer.producer.produce(topic, value, key, partition, callback)
            except BufferError:
                # The producer's own thread makes room. If two threads received deliveries, these could change
                # order.
                time.sleep(_FULL_SECONDS)
            except KafkaException as error:
                self._fail(error)
                del self._under_way[number]
                return
            else:
                return

    def arrived(self) -> asyncio.Future[None]:
        """Return a future that is done when all changes so far have arrived, and raises what kept one from it."""
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((self._sent, future))
        self._wake()
        return future

    def close(self, seconds: float) -> None:
        """Wait at most ``seconds`` for the changes in progress, and stop."""
        if self._producer is not None:
            self._producer.close(seconds)

    def _on_delivery(self, sent: _Sent, error: KafkaError | None, message: Message) -> None:
        """Pass the delivery from the producer's thread to the loop, which is woken once for all that is there."""
        if error is not None:
            error = of_topic(error, message.topic())
        self._arrived.append(_Arrived(sent, message.partition() or 0, message.offset() or 0, error))
        if not self._woken and self._loop is not None:
            self._woken = True
            with suppress(RuntimeError):  # the loop has ended: nobody waits any more
                self._loop.call_soon_threadsafe(self._take_in)

    def _take_in(self) -> None:
        self._woken = False
        found: dict[tuple[int, int], list[_Arrived]] = {}
        while self._arrived:
            item = self._arrived.popleft()
            del self._under_way[item.sent.number]
            if item.error is not None:
                self._fail(KafkaException(item.error))
            else:
                found.setdefault((id(item.sent.store), item.partition), []).append(item)
        for items in found.values():
            try:
                changes = [(item.sent.key, item.sent.value) for item in items]
                items[0].sent.store.acknowledged(items[0].partition, changes, items[-1].offset)
            except Exception as error:
                _log.exception("a table on disk cannot be written")
                self._fail(error)
        self._wake()

    def _wake(self) -> None:
        oldest = next(iter(self._under_way), self._sent)
        while self._waiting and self._waiting[0][0] <= oldest:
            _, future = self._waiting.popleft()
            if future.done():
                continue
            if self.failure is None:
                future.set_result(None)
            else:
                future.set_exception(self.failure)

    def _fail(self, error: BaseException) -> None:
        if self._failure is None:
            self._failure = error
