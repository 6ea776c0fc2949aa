"""A message to send, as all our producers take it."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from confluent_kafka import KafkaError, Message, Producer

from schemas.events.dead_letter import Headers

ANY_PARTITION: Final = -1
_FULL_QUEUE_SECONDS: Final = 0.2
_FLUSH_SECONDS: Final = 0.2


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A message to send; without a partition, its key decides as in Java's clients (murmur2)."""

    topic: str
    key: bytes | None
    value: bytes | None
    headers: Headers
    partition: int = ANY_PARTITION

    def produce(self, producer: Producer, on_delivery: Callable[[KafkaError | None, Message], None]) -> None:
        """Pass it to a producer; raises :class:`BufferError` if the producer's queue is full."""
        producer.produce(
            self.topic,
            key=self.key,
            value=self.value,
            headers=self.headers,
            partition=self.partition,
            on_delivery=on_delivery,
        )

    def produce_in_turn(
        self, producer: Producer, on_delivery: Callable[[KafkaError | None, Message], None]
    ) -> None:
        """Pass it to a producer, waiting while its queue is full, which is the broker's backpressure."""
        while True:
            try:
                self.produce(producer, on_delivery)
            except BufferError:
                producer.poll(_FULL_QUEUE_SECONDS)
            else:
                return


def flush(producer: Producer, seconds: float = math.inf) -> bool:
    """Wait at most ``seconds`` until all messages are acknowledged or refused; return whether they are.

    It waits in short steps, because Python handles no signals while librdkafka waits.
    """
    deadline = time.monotonic() + seconds
    while producer.flush(_FLUSH_SECONDS):
        if time.monotonic() >= deadline:
            return False
    return True
