"""The number of messages that the learning stages still have to read."""

from __future__ import annotations

import time
from contextlib import suppress
from typing import Final

from confluent_kafka import Consumer, KafkaException, TopicPartition

from schemas.topics import (
    CATEGORIES_ASSIGNED,
    CATEGORIES_NEEDS_REVIEW,
    LEARNING_BATCHED,
    REVIEWS_DECIDED,
    STATISTICS_CHANGED,
    Topic,
)
from tests.worker_harness import PARTITIONS, Installation

# The topics that each consumer group learns from.
LEARNED: Final[dict[str, tuple[Topic, ...]]] = {
    "learning-reader": (CATEGORIES_ASSIGNED, CATEGORIES_NEEDS_REVIEW, REVIEWS_DECIDED),
    "learning": (LEARNING_BATCHED, STATISTICS_CHANGED),
}
_SECONDS: Final = 5.0
_FRESH_SECONDS: Final = 1.0


class LearningLag:
    """Asks the broker for the lag; keeps the last answer while the broker gives none."""

    def __init__(self, installation: Installation) -> None:
        connection, settings = installation.connection, installation.settings()
        quiet = {"log_level": 0}
        self._consumers = {
            group: Consumer(connection.consumer_config(settings.group(group), quiet)) for group in LEARNED
        }
        self._places = {
            group: [
                TopicPartition(installation.name(topic), number)
                for topic in topics
                for number in range(PARTITIONS)
            ]
            for group, topics in LEARNED.items()
        }
        self._last = 0
        self._asked_at = 0.0

    def messages(self) -> int:
        """Return the number of messages between the committed offsets and the ends."""
        with suppress(KafkaException):
            self._last = sum(self._of(group) for group in LEARNED)
        return self._last

    def lately(self) -> int:
        """Return the number of messages, which may be up to a second old."""
        if time.monotonic() - self._asked_at > _FRESH_SECONDS:
            self.messages()
            self._asked_at = time.monotonic()
        return self._last

    def close(self) -> None:
        """Close the consumers."""
        for consumer in self._consumers.values():
            consumer.close()

    def _of(self, group: str) -> int:
        consumer = self._consumers[group]
        lag = 0
        for place in consumer.committed(self._places[group], _SECONDS):
            low, high = consumer.get_watermark_offsets(place, _SECONDS)
            lag += high - max(place.offset, low)
        return lag
