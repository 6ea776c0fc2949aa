"""The topics of one run: events that can be published before it starts, and the decisions that result."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from confluent_kafka import Consumer, KafkaError, Producer, TopicPartition
from confluent_kafka.admin import (
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    OffsetSpec,
    ResourceType,
)
from numpy.typing import NDArray

from schemas.topics import CATEGORIES_ASSIGNED, CATEGORIES_NEEDS_REVIEW, PRODUCTS_CHANGED, Topic
from streams.kafka.connection import KafkaConnection
from tests.benchmarks.throughput.events import Event
from tests.benchmarks.throughput.schedule import Schedule
from tests.worker_harness import PARTITIONS, Installation

_OUTPUTS = (CATEGORIES_ASSIGNED, CATEGORIES_NEEDS_REVIEW)
_SECONDS = 30.0
# The operating system makes long sleeps even longer.
_LONGEST_SLEEP = 0.001


@dataclass
class Decisions:
    """The first decision on each product: ``appended`` has the epoch seconds, ``kept`` some of the values."""

    appended: dict[bytes, float] = field(default_factory=dict)
    kept: dict[bytes, bytes] = field(default_factory=dict)

    @property
    def times(self) -> NDArray[np.float64]:
        """The times when the decisions were appended, float64 (n,)."""
        return np.fromiter(self.appended.values(), np.float64, len(self.appended))


class RunTopics:
    """The topics of a run, which are those of an installation of its own; they are deleted at the end."""

    def __init__(self, installation: Installation) -> None:
        self.installation = installation
        self._connection = installation.connection
        self._admin = AdminClient(self._connection.client_config())
        self._read: dict[TopicPartition, int] = {}
        self._places = [
            TopicPartition(installation.name(topic), number)
            for topic in _OUTPUTS
            for number in range(installation.partitions)
        ]

    def create(self) -> None:
        """Create the topics; the broker timestamps decisions with its own time when it appends them."""
        self.installation.create()
        stamp = [
            ConfigEntry("message.timestamp.type", "LogAppendTime", incremental_operation=AlterConfigOpType.SET)
        ]
        names = [self.installation.name(topic) for topic in _OUTPUTS]
        resources = [ConfigResource(ResourceType.TOPIC, name, incremental_configs=stamp) for name in names]
        for future in self._admin.incremental_alter_configs(resources).values():
            future.result(_SECONDS)

    def delete(self) -> None:
        """Delete all topics of the installation, including changelogs."""
        names = [name for name in self._admin.list_topics(timeout=_SECONDS).topics if self._is_ours(name)]
        for future in self._admin.delete_topics(names, operation_timeout=_SECONDS).values():
            future.result(_SECONDS)

    def publish(self, events: Iterable[Event]) -> None:
        """Publish as fast as possible, and wait until all have arrived; raises :class:`RuntimeError` if not."""
        failures: list[KafkaError] = []
        producer = self._producer({"linger.ms": 50, "queue.buffering.max.messages": 1_000_000}, failures)
        topic = self.installation.name(PRODUCTS_CHANGED)
        for key, value in events:
            while True:
                try:
                    producer.produce(topic, value, key)
                    break
                except BufferError:
                    producer.poll(0.1)
        producer.flush()
        _raise(failures)

    def publish_on_schedule(
        self, schedule: Schedule, events: list[Event], to: Topic = PRODUCTS_CHANGED
    ) -> tuple[float, float]:
        """Publish on schedule; return the start in epoch seconds, and the greatest lateness of an event in ms.

        Raises :class:`RuntimeError` if an event did not arrive.
        """
        failures: list[KafkaError] = []
        producer = self._producer({}, failures)
        topic = self.installation.name(to)
        sent, latest = 0, 0.0
        start, began = time.time(), time.perf_counter()
        while sent < schedule.events:
            elapsed = time.perf_counter() - began
            due = schedule.due(elapsed)
            latest = max(latest, elapsed - sent / schedule.rate) if due > sent else latest
            for key, value in events[sent:due]:
                producer.produce(topic, value, key)
            sent = due
            producer.poll(0)
            time.sleep(min(_LONGEST_SLEEP, schedule.wait(sent, time.perf_counter() - began)))
        producer.flush()
        _raise(failures)
        return start, latest * 1_000

    def count(self) -> int:
        """Return the number of messages on the topics of decisions."""
        offsets = self._admin.list_offsets({place: OffsetSpec.latest() for place in self._places})
        return sum(future.result(_SECONDS).offset for future in offsets.values())

    def read(self, keep: frozenset[bytes] = frozenset()) -> Decisions:
        """Return the decisions that arrived since the last call, with values for the keys in ``keep``."""
        found = Decisions()
        consumer = Consumer(self._connection.consumer_config(f"{self.installation.prefix}decisions"))
        try:
            for message in self._messages(consumer):
                key, value = message.key(), message.value()
                if value is not None and key not in found.appended:
                    found.appended[key] = message.timestamp()[1] / 1_000
                    if key in keep:
                        found.kept[key] = value
        finally:
            consumer.close()
        return found

    def _messages(self, consumer: Consumer) -> Iterator[Any]:
        ends = {place: consumer.get_watermark_offsets(place, _SECONDS)[1] for place in self._places}
        missing = {place for place, end in ends.items() if end > self._read.get(place, 0)}
        consumer.assign(
            [TopicPartition(place.topic, place.partition, self._read.get(place, 0)) for place in missing]
        )
        while missing:
            for message in consumer.consume(10_000, 0.2):
                if message.error() is not None:
                    raise RuntimeError(message.error().str())
                place = TopicPartition(message.topic(), message.partition())
                if message.offset() < ends[place]:
                    self._read[place] = message.offset() + 1
                    yield message
                if message.offset() + 1 >= ends[place]:
                    missing.discard(place)

    def _producer(self, settings: Mapping[str, Any], failures: list[KafkaError]) -> Producer:
        def delivered(error: KafkaError | None, _message: object) -> None:
            if error is not None:
                failures.append(error)

        return Producer(self._connection.producer_config({"on_delivery": delivered, "log_level": 3, **settings}))

    def _is_ours(self, name: str) -> bool:
        return name.startswith(self.installation.prefix)


def _raise(failures: list[KafkaError]) -> None:
    if failures:
        raise RuntimeError(f"{len(failures)} events did not arrive: {failures[0].str()}")


@contextmanager
def run_topics(
    connection: KafkaConnection, prefix: str, bundle: Path, directory: Path, partitions: int = PARTITIONS
) -> Iterator[RunTopics]:
    """Yield the topics of one run, and delete them afterwards."""
    topics = RunTopics(Installation(connection, prefix, bundle, directory, partitions))
    topics.create()
    try:
        yield topics
    finally:
        topics.delete()
