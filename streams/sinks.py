"""Send messages from an event loop, with futures for their acknowledgements."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from threading import Lock
from typing import Final

from confluent_kafka import KafkaError, KafkaException, Message

from schemas.errors import KafkaUnavailable
from streams.kafka.connection import KafkaConnection
from streams.kafka.errors import of_topic
from streams.kafka.rights import UNAUTHORIZED
from streams.outgoing import Outgoing
from streams.polled_producer import PolledProducer

_FULL_SECONDS: Final = 0.01


class Sink:
    """Sends messages from one event loop.

    Messages leave in the order of :meth:`submit`, whoever calls it, and none is given up. So a later message of a
    product never overtakes an earlier one, and the positions that the statistics rely on only grow. If the broker
    forbids writing, that is a ``failure``: the worker ends, and nothing is committed.
    """

    def __init__(self, connection: KafkaConnection) -> None:
        self._producer = PolledProducer(connection, "sink")
        self._turn = asyncio.Lock()
        self._forbidden: KafkaUnavailable | None = None

    @property
    def failure(self) -> BaseException | None:
        """What ended it for good, if anything did."""
        return self._forbidden or self._producer.failure

    async def submit(self, messages: Sequence[Outgoing]) -> asyncio.Future[None]:
        """Pass messages to the producer, and return a future that is done when all are acknowledged.

        The future raises :class:`confluent_kafka.KafkaException` if the broker refuses one for good. The call
        waits while the producer's queue is full, and raises the same exception if a message is too large.
        """
        acknowledged = _Acknowledged(len(messages), self._refused)
        async with self._turn:
            for message in messages:
                await self._produce(message, acknowledged)
        return acknowledged.future

    async def send_all(self, messages: Sequence[Outgoing]) -> None:
        """Send and wait until all are acknowledged; raises what :meth:`submit` and its future raise."""
        await (await self.submit(messages))

    def close(self, seconds: float) -> int:
        """Wait at most ``seconds`` for what is queued, stop, and return how many messages are left behind."""
        return self._producer.close(seconds)

    def _refused(self, error: KafkaError, topic: str | None) -> None:
        # Sending again would not help, and events would be given up that are not at fault.
        if error.code() in UNAUTHORIZED:
            self._forbidden = KafkaUnavailable(
                f"this worker may not write to {topic}: {error.str()}; grant it Write, and start it again"
            )

    async def _produce(self, message: Outgoing, acknowledged: _Acknowledged) -> None:
        while True:
            try:
                message.produce(self._producer.producer, acknowledged.on_delivery)
                return
            except BufferError:
                await asyncio.sleep(_FULL_SECONDS)


class _Acknowledged:
    """Counts acknowledgements in the producer's thread, and wakes the loop once."""

    def __init__(self, count: int, refused: Callable[[KafkaError, str | None], None]) -> None:
        self._refused = refused
        self._loop = asyncio.get_running_loop()
        self.future: asyncio.Future[None] = self._loop.create_future()
        self._lock = Lock()
        self._left = count
        if not count:
            self.future.set_result(None)

    def on_delivery(self, error: KafkaError | None, message: Message) -> None:
        if error is not None:
            self._refused(error, message.topic())
            error = of_topic(error, message.topic())
        with self._lock:
            self._left -= 1
            last = self._left == 0
        if error is not None or last:
            with suppress(RuntimeError):  # the loop has ended: nobody waits any more
                self._loop.call_soon_threadsafe(self._settle, error)

    def _settle(self, error: KafkaError | None) -> None:
        if self.future.done():
            return
        if error is None:
            self.future.set_result(None)
        else:
            self.future.set_exception(KafkaException(error))
