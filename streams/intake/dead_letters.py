"""Write dead letters, and report when the broker has them."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final, NamedTuple

from confluent_kafka import KafkaError
from msgspec import structs

from schemas.events.dead_letter import DeadLetter, Reason
from schemas.events.position import SourcePosition
from streams.intake.packer import SourceEvent
from streams.kafka.headers import bytes_of
from streams.metrics import Metrics
from streams.outgoing import Outgoing
from streams.sender import Sender

logger = logging.getLogger(__name__)

_RETRY_SECONDS: Final = 1.0
# What is kept of a dead letter that is too large for its topic.
_CUT_KEY_BYTES: Final = 1_024
_CUT_VALUE_BYTES: Final = 524_288


class Death(NamedTuple):
    """Why an event became a dead letter, as a metric label and in words, and the stage that gave up on it."""

    reason: Reason
    detail: str
    stage: str


@dataclass(frozen=True, slots=True)
class _Letter:
    message: Outgoing
    death: Death
    offset: int
    wanted: Callable[[], bool]
    acknowledged: Callable[[], None]


class DeadLetterWriter:
    """Sends events to the dead-letter topic, with the key, value and headers with which they arrived.

    A topic's limit applies to the compressed size, so an event that a feed compressed well may be too large when
    we send it. Only the beginning of such an event is kept, and the letter says so.
    """

    def __init__(
        self,
        sender: Sender,
        topic: str,
        source_topic: str,
        metrics: Metrics,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._sender = sender
        self._topic = topic
        self._source_topic = source_topic
        self._metrics = metrics
        self._clock = clock
        self._refused: list[_Letter] = []
        self._retry_at = 0.0

    def write(
        self,
        event: SourceEvent,
        partition: int,
        death: Death,
        acknowledged: Callable[[], None],
        wanted: Callable[[], bool] = lambda: True,
    ) -> None:
        """Send a dead letter to its event's partition number; call ``acknowledged`` when the broker has it.

        If the broker refuses it, :meth:`retry` sends it again as long as ``wanted`` returns true. The event counts
        as not done until then.
        """
        source = SourcePosition(self._source_topic, partition, event.offset)
        headers = DeadLetter.of(source, event.headers, *death).to_headers(event.headers)
        message = Outgoing(self._topic, event.key, event.value, headers, partition)
        self._send(_Letter(message, death, event.offset, wanted, acknowledged))

    def retry(self) -> None:
        """Send refused letters that are still wanted again, at most once a second."""
        if not self._refused or self._clock() < self._retry_at:
            return
        letters, self._refused = self._refused, []
        for letter in letters:
            if letter.wanted():
                self._send(letter)

    def _send(self, letter: _Letter) -> None:
        def delivered(error: KafkaError | None) -> None:
            if error is None:
                self._metrics.dead_letter(letter.death.reason, letter.death.stage)
                letter.acknowledged()
                return
            place = f"{letter.message.partition}/{letter.offset}"
            logger.warning("dead letter of %s is sent again: %s", place, error.str())
            self._refused.append(_cut(letter) if error.code() == KafkaError.MSG_SIZE_TOO_LARGE else letter)
            self._retry_at = self._clock() + _RETRY_SECONDS

        self._sender.send(letter.message, delivered)


def _cut(letter: _Letter) -> _Letter:
    """Return the letter with only the beginning of its key and value, and only our own headers.

    A small letter is returned unchanged: it was refused because of others in the same request.
    """
    message = letter.message
    key, value = message.key or b"", message.value or b""
    size = len(key) + len(value) + bytes_of(message.headers)
    if size <= _CUT_VALUE_BYTES:
        return letter
    died = DeadLetter.from_headers(message.headers)
    detail = f"{died.detail}; the first bytes are kept of {size:,}: the letter was too large for its topic"
    headers = structs.replace(died, detail=detail).to_headers([])
    cut = replace(message, key=key[:_CUT_KEY_BYTES], value=value[:_CUT_VALUE_BYTES], headers=headers)
    return replace(letter, message=cut)
