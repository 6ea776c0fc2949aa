"""Committed offsets and lag: what intake has finished, and what Kafka knows about it."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from typing import Final

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from streams.intake.ends import PartitionEnds
from streams.intake.partition import PartitionIntake
from streams.metrics import Metrics
from streams.progress import commit_metadata

logger = logging.getLogger(__name__)

COMMIT_SECONDS: Final = 0.1
REPORT_SECONDS: Final = 1.0


class Offsets:
    """Commits the offsets of the source topic now and then, and reports progress and lag."""

    def __init__(self, topic: str, metrics: Metrics, ends: PartitionEnds) -> None:
        self._topic = topic
        self._metrics = metrics
        self._ends = ends
        self._uncommitted: dict[int, int] = {}
        self._asked: dict[int, int] = {}
        self._generations: dict[int, int | None] = {}
        self._unread_since: dict[int, float] = {}
        self._committed_at = time.monotonic()
        self._reported_at = self._committed_at - REPORT_SECONDS

    def assigned(self, partition: int, generation: int | None) -> None:
        """Note the generation under which this worker owns a partition; every commit includes it."""
        self._generations[partition] = generation

    def finished(self, partition: int, offset: int) -> None:
        """Note that every event before ``offset`` has its outcome."""
        self._uncommitted[partition] = offset

    def revoked(self, partition: int) -> None:
        """Do not commit what was finished so far in one partition."""
        for known in (self._uncommitted, self._asked):
            known.pop(partition, None)
        self._unread_since.pop(partition, None)

    def forget(self) -> None:
        """Do not commit what was finished so far: the partitions are no longer ours."""
        self._uncommitted.clear()
        self._asked.clear()
        self._generations.clear()
        self._unread_since.clear()

    def turn(self, consumer: Consumer, partitions: Mapping[int, PartitionIntake]) -> None:
        """Commit and report if it is time to."""
        now = time.monotonic()
        if self._uncommitted and now - self._committed_at >= COMMIT_SECONDS:
            self.commit(consumer, asynchronous=True)
        if now - self._reported_at >= REPORT_SECONDS:
            self._reported_at = now
            self._report(consumer, partitions)

    def commit(self, consumer: Consumer, *, asynchronous: bool) -> None:
        """Commit what was finished; a synchronous commit repeats unconfirmed asynchronous ones."""
        self._committed_at = time.monotonic()
        self._asked |= self._uncommitted
        wanted = self._uncommitted if asynchronous else self._asked
        offsets = [
            TopicPartition(self._topic, number, offset, commit_metadata(self._generations.get(number)))
            for number, offset in wanted.items()
        ]
        self._uncommitted = {}
        if not offsets:
            return
        try:
            done = consumer.commit(offsets=offsets, asynchronous=asynchronous)
        except KafkaException as error:
            self._refused(error.args[0])
        else:
            if not asynchronous:
                self.on_commit(None, done or [])

    def on_commit(self, error: KafkaError | None, offsets: list[TopicPartition]) -> None:
        """Take note of a commit's answer; librdkafka calls this for the asynchronous ones."""
        if error is not None:
            self._refused(error)
            return
        for item in offsets:
            if item.error is not None or item.offset < 0 or item.partition not in self._asked:
                continue
            self._metrics.committed(item.topic, item.partition, item.offset)
            if self._asked[item.partition] == item.offset:
                del self._asked[item.partition]

    def _refused(self, error: KafkaError) -> None:
        # It is committed again in the next turn. If that fails too, the next owner reads these events once more.
        logger.warning("offsets were not committed: %s", error.str())
        self._uncommitted = self._asked | self._uncommitted

    def _report(self, consumer: Consumer, partitions: Mapping[int, PartitionIntake]) -> None:
        self._metrics.batches_in_flight(sum(state.window.waiting for state in partitions.values()))
        self._ends.refresh(partitions)
        passed = self._passed(consumer, partitions)
        for number, state in partitions.items():
            processed, end = state.processed_offset, self._ends.known(number)
            if processed is None:
                continue
            self._metrics.processed(self._topic, number, processed)
            # What was read exists, even if the known end is older.
            events = max(end or 0, state.next_offset or 0) - max(processed, passed.get(number, 0))
            self._metrics.lag(self._topic, number, events, self._age(state, events))

    def _passed(self, consumer: Consumer, partitions: Mapping[int, PartitionIntake]) -> dict[int, int]:
        """Return the consumer's position in the partitions of which every delivered event has its outcome.

        The position is past what the consumer never delivers: events of aborted transactions, and transaction
        markers. It is used only for the lag: nothing is committed by it, and no event that arrives is compared
        with it.
        """
        places = [TopicPartition(self._topic, number) for number, state in partitions.items() if state.caught_up]
        return {place.partition: place.offset for place in consumer.position(places)}

    def _age(self, state: PartitionIntake, events: int) -> float:
        """Return the age in seconds of the oldest event without an outcome.

        If no such event has been read, it is 0 while the partition is being read, and otherwise the time since
        unread events were first seen.
        """
        oldest = state.oldest_timestamp_ms
        if oldest is not None or state.reading or events <= 0:
            # While it reads, unread events are on their way or belong to an open transaction.
            self._unread_since.pop(state.partition, None)
            return 0.0 if oldest is None else time.time() - oldest / 1000
        return time.monotonic() - self._unread_since.setdefault(state.partition, time.monotonic())
