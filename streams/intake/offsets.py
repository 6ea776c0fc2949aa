"""Committed offsets and lag: what intake has finished, and what Kafka knows of it."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from typing import Final

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from streams.intake.partition import PartitionIntake
from streams.metrics import Metrics

logger = logging.getLogger(__name__)

COMMIT_SECONDS: Final = 0.2
REPORT_SECONDS: Final = 1.0


class Offsets:
    """Commits the source topic now and then, and shows how far it is."""

    def __init__(self, topic: str, metrics: Metrics) -> None:
        self._topic = topic
        self._metrics = metrics
        self._uncommitted: dict[int, int] = {}
        self._committed_at = self._reported_at = time.monotonic()

    def finished(self, partition: int, offset: int) -> None:
        """Say that every event before ``offset`` has its outcome."""
        self._uncommitted[partition] = offset

    def forget(self) -> None:
        """Commit nothing of what was finished so far: the partitions are lost."""
        self._uncommitted.clear()

    def turn(self, consumer: Consumer, partitions: Mapping[int, PartitionIntake]) -> None:
        """Commit and report, where it is time."""
        now = time.monotonic()
        if self._uncommitted and now - self._committed_at >= COMMIT_SECONDS:
            self.commit(consumer, asynchronous=True)
        if now - self._reported_at >= REPORT_SECONDS:
            self._reported_at = now
            self._report(consumer, partitions)

    def commit(self, consumer: Consumer, *, asynchronous: bool) -> None:
        """Commit what was finished."""
        offsets = [TopicPartition(self._topic, number, offset) for number, offset in self._uncommitted.items()]
        self._uncommitted.clear()
        self._committed_at = time.monotonic()
        if not offsets:
            return
        try:
            done = consumer.commit(offsets=offsets, asynchronous=asynchronous)
        except KafkaException as error:
            # The next owner reads these events again, and their decisions carry the same ids.
            logger.warning("offsets were not committed: %s", error.args[0].str())
        else:
            self.on_commit(None, done or [])

    def on_commit(self, error: KafkaError | None, offsets: list[TopicPartition]) -> None:
        """Take note of a commit's answer; librdkafka calls this for the asynchronous ones."""
        if error is not None:
            logger.warning("offsets were not committed: %s", error.str())
            return
        for item in offsets:
            if item.error is None and item.offset >= 0:
                self._metrics.committed(item.topic, item.partition, item.offset)

    def _report(self, consumer: Consumer, partitions: Mapping[int, PartitionIntake]) -> None:
        self._metrics.batches_in_flight(sum(state.window.waiting for state in partitions.values()))
        for number, state in partitions.items():
            processed = state.processed_offset
            if processed is None:
                continue
            self._metrics.processed(self._topic, number, processed)
            oldest = state.oldest_timestamp_ms
            age = 0.0 if oldest is None else time.time() - oldest / 1000
            self._metrics.lag(self._topic, number, self._end(consumer, number) - processed, age)

    def _end(self, consumer: Consumer, number: int) -> int:
        try:
            return int(consumer.get_watermark_offsets(TopicPartition(self._topic, number), cached=True)[1])
        except KafkaException:
            return 0
