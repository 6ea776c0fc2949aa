"""Report messages that Kafka deleted before they were read: nobody else notices, so operators must know."""

from __future__ import annotations

import logging
import time
from concurrent.futures import Future
from typing import Any, Final, NamedTuple

from confluent_kafka import KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec

from streams.kafka.connection import KafkaConnection
from streams.kafka.told_offset import told_offset
from streams.metrics import Metrics

logger = logging.getLogger(__name__)

_REQUEST_SECONDS: Final = 10.0
# A failed request is repeated, and a feed with transactions leaves a gap with each.
_PAUSE_SECONDS: Final = 1.0


class _Gap(NamedTuple):
    """Offsets that the consumer did not deliver, from ``start`` up to but not including ``stop``."""

    partition: int
    start: int
    stop: int


class LostMessages:
    """Finds out which of the offsets that the consumer of a topic skipped were deleted.

    Clients report no deletion: they continue with the first message that is left. Aborted transactions and
    transaction markers also leave gaps, but after the partition's first offset. So that offset is asked for.
    """

    def __init__(self, connection: KafkaConnection, topic: str, metrics: Metrics, meaning: str) -> None:
        """``meaning`` ends the message to the operator: what it means that they are lost, and what to do."""
        named = {"client.id": connection.client_id_of("lost"), "log_level": 0}
        self._config = connection.client_config(named)
        self._topic = topic
        self._metrics = metrics
        self._meaning = meaning
        self._admin: AdminClient | None = None
        self._gaps: list[_Gap] = []
        self._ask_at = 0.0
        self._asked: list[tuple[_Gap, Future[Any]]] = []

    def skipped(self, partition: int, start: int, stop: int) -> None:
        """Note offsets that the consumer did not deliver; a later :meth:`turn` reports what happened to them."""
        self._gaps.append(_Gap(partition, start, stop))

    def deleted(self, partition: int, start: int, stop: int) -> None:
        """Report offsets that are known to have been deleted unread."""
        self._metrics.events_lost(self._topic, stop - start)
        logger.error(
            "%s/%d: offsets %d to %d were deleted before they were read; raise the topic's retention.ms and"
            " retention.bytes, so that it keeps messages for longer than workers are down or behind; %s",
            self._topic,
            partition,
            start,
            stop - 1,
            self._meaning,
        )

    def turn(self) -> None:
        """Take in the answers that have arrived, without waiting, then ask about the gaps noted since."""
        if not all(future.done() for _, future in self._asked):
            return
        for gap, future in self._asked:
            self._judge(gap, future)
        self._asked = []
        if not self._gaps or time.monotonic() < self._ask_at:
            return
        self._ask_at = time.monotonic() + _PAUSE_SECONDS
        admin = self._admin = self._admin or AdminClient(self._config)
        places = {TopicPartition(self._topic, gap.partition): OffsetSpec.earliest() for gap in self._gaps}
        answers = admin.list_offsets(places, request_timeout=_REQUEST_SECONDS)
        found = {place.partition: future for place, future in answers.items()}
        self._asked = [(gap, found[gap.partition]) for gap in self._gaps]
        self._gaps = []

    def _judge(self, gap: _Gap, future: Future[Any]) -> None:
        try:
            first = told_offset(future)
        except KafkaException:
            self._gaps.append(gap)
            self._admin = None  # a client with outdated metadata would ask the same broker again
            return
        if first > gap.start:
            self.deleted(gap.partition, gap.start, min(gap.stop, first))
