"""Write dead letters, and say when the broker has them."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Final, NamedTuple

from confluent_kafka import KafkaError

from schemas.events.dead_letter import MAX_DETAIL_CHARACTERS, PREFIX, DeadLetter, Headers
from streams.intake.packer import SourceEvent
from streams.metrics import Metrics
from streams.sender import Outgoing, Sender

logger = logging.getLogger(__name__)

ATTEMPT_HEADER: Final = f"{PREFIX}attempt"
MAX_ATTEMPT: Final = 1_000_000


class Death(NamedTuple):
    """Why an event died, as a metric's label and for a person, and the stage that gave up on it."""

    reason: str
    detail: str
    stage: str


class DeadLetterWriter:
    """Sends events that died to the dead-letter topic, with the key, value and headers they came with."""

    def __init__(self, sender: Sender, topic: str, source_topic: str, metrics: Metrics) -> None:
        self._sender = sender
        self._topic = topic
        self._source_topic = source_topic
        self._metrics = metrics

    def write(self, event: SourceEvent, partition: int, death: Death, acknowledged: Callable[[], None]) -> None:
        """Send a dead letter to the partition its event came from; ``acknowledged`` is called when it is safe.

        What the broker does not take in time is sent again: until it is safe, the event counts as not done.
        """
        original = event.headers()
        headers = DeadLetter(
            reason=death.reason,
            detail=death.detail[:MAX_DETAIL_CHARACTERS],
            stage=death.stage,
            attempt=attempt_of(original),
            source_topic=self._source_topic,
            source_partition=partition,
            source_offset=event.offset,
        ).to_headers(original)
        message = Outgoing(self._topic, event.key, event.value, headers, partition)

        def delivered(error: KafkaError | None) -> None:
            if error is None:
                self._metrics.dead_letter(death.reason, death.stage)
                acknowledged()
                return
            logger.warning("dead letter of %d/%d is sent again: %s", partition, event.offset, error.str())
            self._sender.send(message, delivered)

        self._sender.send(message, delivered)


def attempt_of(headers: Headers) -> int:
    """Return how often an event has been tried, this time included; a letter sent again says so in a header."""
    value = dict(headers).get(ATTEMPT_HEADER)
    if value is None or not value.isdigit() or len(value) > len(str(MAX_ATTEMPT)):
        return 1
    return max(1, int(value))
