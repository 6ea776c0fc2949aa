"""The lag of ranking on the topic of candidates, according to the broker."""

from __future__ import annotations

import logging
from threading import Lock
from typing import Any, Final

from confluent_kafka import Consumer, KafkaException, TopicPartition

from schemas.topics import CANDIDATES
from streams.kafka.watermarks import watermarks
from streams.settings import Settings

_BROKER_SECONDS: Final = 10.0
_log = logging.getLogger(__name__)


class RankingLag:
    """Asks for the committed offsets of ranking's consumer group; it never joins the group."""

    def __init__(self, settings: Settings) -> None:
        self._topic = settings.topic(CANDIDATES)
        self._consumer: Any = Consumer(settings.observer_config("ranking"))
        self._asking = Lock()
        self._closed = False

    def undecided(self, partition: int) -> int:
        """Return how many messages of a partition ranking has not committed, or 1 if the broker does not say.

        Blocks until the broker answers, for 20 s at most. Returns 0 once it is closed.
        """
        place = TopicPartition(self._topic, partition)
        with self._asking:
            if self._closed:
                return 0
            try:
                first, end = watermarks(self._consumer, place, _BROKER_SECONDS, patience_seconds=0)
                (committed,) = self._consumer.committed([place], _BROKER_SECONDS)
            except KafkaException as error:
                _log.warning("how far ranking is with %s/%d is not known: %s", self._topic, partition, error)
                return 1
        return max(end - max(first, committed.offset), 0)

    def close(self) -> None:
        """Close the connection to the broker."""
        with self._asking:
            self._closed = True
            self._consumer.close()
