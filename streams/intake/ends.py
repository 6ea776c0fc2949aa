"""The end offsets of the source partitions, asked for now and then without waiting for the answer."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable
from concurrent.futures import Future
from typing import Any, Final

from confluent_kafka import KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec

from streams.kafka.connection import KafkaConnection
from streams.kafka.told_offset import told_offset

logger = logging.getLogger(__name__)

_REQUEST_SECONDS: Final = 10.0
# A broker that restarts answers sooner than this.
_UNKNOWN_SECONDS: Final = 60.0
# After one of these errors a client keeps asking the leaders and epochs that it knows, for five minutes, until it
# reads the metadata again. A new client knows nothing yet, and creating it takes a millisecond.
_MISLED: Final = (
    KafkaError.FENCED_LEADER_EPOCH,
    KafkaError.UNKNOWN_LEADER_EPOCH,
    KafkaError.NOT_LEADER_FOR_PARTITION,
    KafkaError.OFFSET_NOT_AVAILABLE,
    KafkaError._TIMED_OUT,  # from a leader that no longer exists
)


class PartitionEnds:
    """The end offsets of one topic's partitions.

    The consumer's own values do not move while a partition is paused, which is when lag matters most.
    """

    def __init__(self, connection: KafkaConnection, topic: str) -> None:
        named = {"client.id": connection.client_id_of("intake-ends"), "log_level": 0}
        self._config = connection.client_config(named)
        self._admin = AdminClient(self._config)
        self._topic = topic
        self._known: dict[int, int] = {}
        self._asked: dict[int, Future[Any]] = {}
        self._current_at: dict[int, float] = {}
        self._trouble = ""
        self._misled = False
        self._warned = False

    def known(self, partition: int) -> int | None:
        """Return the last known end of a partition, or ``None``."""
        return self._known.get(partition)

    def refresh(self, partitions: Iterable[int]) -> None:
        """Take in the answers that have arrived; when all of them have, ask again."""
        for number, future in list(self._asked.items()):
            if future.done():
                del self._asked[number]
                self._take(number, future)
        wanted = list(partitions)
        if self._asked or not wanted:
            return
        now = time.monotonic()
        self._current_at = {number: self._current_at.get(number, now) for number in wanted}
        self._tell_of_unknown(now)
        if self._misled:
            self._admin = AdminClient(self._config)
        self._trouble, self._misled = "", False
        request = {TopicPartition(self._topic, number): OffsetSpec.latest() for number in wanted}
        answers = self._admin.list_offsets(request, request_timeout=_REQUEST_SECONDS)
        self._asked = {place.partition: future for place, future in answers.items()}

    def _take(self, number: int, future: Future[Any]) -> None:
        try:
            self._known[number] = told_offset(future)
        except KafkaException as error:
            self._not_told(number, error.args[0])
            return
        self._current_at[number] = time.monotonic()

    def _not_told(self, number: int, error: KafkaError) -> None:
        self._trouble = error.str()
        self._misled |= error.code() in _MISLED
        logger.debug("the end of %s/%d is not known: %s", self._topic, number, self._trouble)

    def _tell_of_unknown(self, now: float) -> None:
        """Warn once while the end of any partition stays unknown."""
        unknown = [number for number, at in self._current_at.items() if now - at >= _UNKNOWN_SECONDS]
        if unknown and self._trouble and not self._warned:
            logger.warning(
                "the ends of partitions %s of %s have not been told for %.0f s (%s): consumer_lag_events may be"
                " too low; see that they have a leader, and that this worker may describe the topic",
                unknown,
                self._topic,
                _UNKNOWN_SECONDS,
                self._trouble,
            )
            self._warned = True
        elif not unknown:
            self._warned = False
