"""Where the source partitions end, asked of the broker now and then without waiting for the answer."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from concurrent.futures import Future
from typing import Any, Final

from confluent_kafka import KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec

from streams.kafka.connection import KafkaConnection

logger = logging.getLogger(__name__)

_REQUEST_SECONDS: Final = 10.0


class PartitionEnds:
    """The end offsets of one topic's partitions.

    The consumer's own notion of them stands still while a partition is paused, which is when lag matters most.
    """

    def __init__(self, connection: KafkaConnection, topic: str) -> None:
        named = {"client.id": connection.client_id_of("intake-ends"), "log_level": 0}
        self._admin = AdminClient(connection.client_config(named))
        self._topic = topic
        self._known: dict[int, int] = {}
        self._asked: dict[int, Future[Any]] = {}

    def known(self, partition: int) -> int | None:
        """Return the last answer."""
        return self._known.get(partition)

    def refresh(self, partitions: Iterable[int]) -> None:
        """Take in the answers that have come; ask again once all of them have."""
        for number, future in list(self._asked.items()):
            if future.done():
                del self._asked[number]
                self._take(number, future)
        wanted = list(partitions)
        if self._asked or not wanted:
            return
        request = {TopicPartition(self._topic, number): OffsetSpec.latest() for number in wanted}
        answers = self._admin.list_offsets(request, request_timeout=_REQUEST_SECONDS)
        self._asked = {place.partition: future for place, future in answers.items()}

    def _take(self, number: int, future: Future[Any]) -> None:
        try:
            self._known[number] = int(future.result().offset)
        except KafkaException as error:
            logger.debug("the end of %s/%d is not known: %s", self._topic, number, error)
