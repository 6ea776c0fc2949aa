"""Send messages with librdkafka's idempotent producer, and learn for each whether the broker has it."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from schemas.errors import KafkaUnavailable
from streams.kafka.connection import KafkaConnection
from streams.kafka.errors import of_topic
from streams.outgoing import Outgoing

logger = logging.getLogger(__name__)

Delivered = Callable[[KafkaError | None], None]
"""Called with ``None`` when the broker has the message, or with the error after which it never will."""


class Sender:
    """An idempotent producer (``acks=all``, in order, its retries cause no duplicates); safe from any thread.

    Callbacks run in the thread that calls :meth:`poll`, :meth:`send` while the queue is full, or :meth:`flush`.
    """

    def __init__(self, connection: KafkaConnection, name: str) -> None:
        overrides = {"client.id": connection.client_id_of(name), "error_cb": self._on_error, "log_level": 0}
        self._producer = Producer(connection.producer_config(overrides))

    def send(self, message: Outgoing, delivered: Delivered) -> None:
        """Send a message; wait while the queue is full, which is the broker's backpressure.

        ``delivered`` is called at once if the message is larger than any that we send. Raises
        :class:`KafkaUnavailable` if the producer can send nothing more.
        """

        def on_delivery(error: KafkaError | None, _message: Message) -> None:
            delivered(None if error is None else of_topic(error, message.topic))

        try:
            message.produce_in_turn(self._producer, on_delivery)
        except KafkaException as error:
            if error.args[0].code() != KafkaError.MSG_SIZE_TOO_LARGE:
                raise _ended(error) from None
            delivered(of_topic(error.args[0], message.topic))

    def poll(self, seconds: float) -> int:
        """Run the callbacks of deliveries, waiting at most ``seconds`` for one; return how many ran.

        Raises :class:`KafkaUnavailable` if the producer can send nothing more.
        """
        try:
            return int(self._producer.poll(seconds))
        except KafkaException as error:
            raise _ended(error) from None

    def flush(self, seconds: float) -> int:
        """Wait at most ``seconds`` until all messages are delivered; return how many are not."""
        return int(self._producer.flush(seconds))

    def _on_error(self, error: Any) -> None:
        logger.warning("producer: %s", error.str())


def _ended(error: KafkaException) -> KafkaUnavailable:
    return KafkaUnavailable(f"the producer has failed for good: {error.args[0].str()}; restart the worker")
