"""Run workers in separate processes on a real Kafka, and read the topics around them."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any, Self

from confluent_kafka import Consumer, KafkaError, Message, Producer, TopicPartition
from prometheus_client.parser import text_string_to_metric_families

from schemas.events.codec import decode, encode
from schemas.events.dead_letter import Headers
from schemas.events.decision import CategoryAssigned, Decision, NeedsReview
from schemas.events.product import Product
from schemas.topics import CATEGORIES_ASSIGNED, CATEGORIES_NEEDS_REVIEW, PRODUCTS_CHANGED, Topic
from streams.kafka.connection import KafkaConnection
from streams.kafka.ready import free_port
from streams.kafka.topics import create_topics
from streams.kafka.watermarks import watermarks
from streams.settings import Settings
from tests.process_tree import alive, children

PARTITIONS = 4
WAIT_SECONDS = 120.0
Position = tuple[int, int]
"""Partition and offset."""


def wait_until(
    condition: Callable[[], bool], what: Callable[[], str] | str, seconds: float = WAIT_SECONDS
) -> None:
    """Wait until a condition holds; otherwise fail with ``what`` was awaited."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds:.0f} s: {what if isinstance(what, str) else what()}")
        time.sleep(0.05)


@dataclass(frozen=True)
class Installation:
    """One set of topics with a model, in a cluster that others may share."""

    connection: KafkaConnection
    prefix: str
    bundle: Path
    directory: Path
    partitions: int = PARTITIONS

    def create(self) -> Self:
        """Create the topics."""
        create_topics(self.connection, partitions=self.partitions, prefix=self.prefix)
        return self

    def settings(self, **overrides: Any) -> Settings:
        """Return the settings of this installation's workers."""
        return Settings(
            kafka=self.connection,
            topic_prefix=self.prefix,
            partitions=self.partitions,
            bundle=self.bundle,
            data_dir=self.directory,
            **overrides,
        )

    def name(self, topic: Topic) -> str:
        """Return the full name of a topic."""
        return self.prefix + topic.name

    def worker(self, *stages: str, **overrides: object) -> Worker:
        """Return a worker that is not started yet; ``overrides`` are settings."""
        return Worker(self, stages, overrides)

    def publish(self, events: Iterable[tuple[bytes | None, bytes | None, Headers]]) -> list[Position]:
        """Publish (key, value, headers) in order; return the position of each."""
        events = list(events)
        places: list[Position | None] = [None] * len(events)
        producer = Producer(self.connection.producer_config({"queue.buffering.max.kbytes": 2_000_000}))

        def delivered(place: int) -> Callable[[KafkaError | None, Message], None]:
            def callback(error: KafkaError | None, message: Message) -> None:
                assert error is None, error
                places[place] = (message.partition(), message.offset())

            return callback

        for place, (key, value, headers) in enumerate(events):
            producer.produce(
                self.name(PRODUCTS_CHANGED), key=key, value=value, headers=headers, on_delivery=delivered(place)
            )
            producer.poll(0)
        producer.flush()
        return [place for place in places if place is not None]

    def publish_products(self, products: Iterable[Product]) -> list[Position]:
        """Publish products as a feed does."""
        return self.publish((product.product_id.encode(), encode(product), []) for product in products)

    def send(self, topic: Topic, key: str, value: bytes | None) -> None:
        """Send one message to any topic."""
        producer = Producer(self.connection.producer_config())
        producer.produce(self.name(topic), key=key.encode(), value=value)
        producer.flush()

    def read(self, topic: str) -> list[Message]:
        """Return all messages that a topic holds now."""
        consumer = Consumer(self.connection.consumer_config("reader-of-a-test"))
        try:
            places = [TopicPartition(topic, number, 0) for number in range(self.partitions)]
            bounds = {place.partition: watermarks(consumer, place, 30) for place in places}
            consumer.assign(places)
            found: list[Message] = []
            missing = {number for number, (first, end) in bounds.items() if first < end}
            while missing:
                for message in consumer.consume(10_000, 0.5):
                    assert message.error() is None, message.error()
                    found.append(message)
                    if message.offset() + 1 >= bounds[message.partition()][1]:
                        missing.discard(message.partition())
            return found
        finally:
            consumer.close()

    def latest(self, topic: str) -> dict[bytes, bytes]:
        """Return the last value of each key, as compaction would leave it."""
        found: dict[bytes, bytes] = {}
        for message in sorted(self.read(topic), key=lambda message: (message.partition(), message.offset())):
            if message.value() is None:
                found.pop(message.key(), None)
            else:
                found[message.key()] = message.value()
        return found

    def uncommitted(self) -> dict[int, tuple[int, int]]:
        """Return (committed, end) for each source partition with uncommitted events."""
        consumer = Consumer(self.connection.consumer_config(self.settings().group("intake")))
        try:
            places = [TopicPartition(self.name(PRODUCTS_CHANGED), number) for number in range(self.partitions)]
            found = {}
            for place in consumer.committed(places, 30):
                end = watermarks(consumer, place, 30)[1]
                if max(place.offset, 0) < end:
                    found[place.partition] = (place.offset, end)
            return found
        finally:
            consumer.close()

    def wait_until_committed(self, seconds: float = WAIT_SECONDS) -> None:
        """Wait until every event published so far has its outcome."""
        wait_until(lambda: not self.uncommitted(), lambda: f"committed of end: {self.uncommitted()}", seconds)


class Worker:
    """Runs ``shelfwise worker`` as an operator does; its log is next to its data."""

    def __init__(self, installation: Installation, stages: tuple[str, ...], overrides: dict[str, object]) -> None:
        self._installation = installation
        self._stages = stages
        self._overrides = overrides
        self._port = free_port()
        self.log = installation.directory / f"worker-{self._port}.log"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> Self:
        """Start it without waiting."""
        own = {"data_dir": self.data, "metrics_port": self._port}
        settings = self._installation.settings().model_copy(update={**own, **self._overrides})
        only = [word for stage in self._stages for word in ("--only", stage)]
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "streams.cli", "worker", *only],
                env=settings.environment(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        return self

    def wait_until_ready(self) -> Self:
        """Wait until /readyz reports ready."""
        wait_until(self._ready, lambda: f"ready; the log ends:\n{self.log_end()}")
        return self

    def check(self) -> None:
        """Fail if it has ended."""
        assert self._process is not None
        status = self._process.poll()
        assert status is None, f"the worker ended with {status}; its log ends:\n{self.log_end()}"

    def kill(self) -> None:
        """Kill it (SIGKILL), like a crash; return when the processes that it started have ended with it."""
        assert self._process is not None
        started = children(self.process_id)
        self._process.kill()
        self._process.wait()
        wait_until(lambda: not any(map(alive, started)), "its processes to end")

    def stop(self, seconds: float = WAIT_SECONDS) -> int:
        """Stop it as an orchestrator does (SIGTERM), and return its exit code; fail if it takes longer."""
        self.terminate()
        return self.wait(seconds)

    def terminate(self) -> None:
        """Tell it to stop, without waiting."""
        assert self._process is not None
        self._process.send_signal(signal.SIGTERM)

    def wait(self, seconds: float = WAIT_SECONDS) -> int:
        """Return its exit code once it has ended; fail if it takes longer."""
        assert self._process is not None
        return self._process.wait(seconds)

    def metric(self, name: str, **labels: str) -> float:
        """Return the sum of a metric's series that have these labels."""
        families = text_string_to_metric_families(self.answer("/metrics")[1].decode())
        return sum(
            sample.value
            for family in families
            for sample in family.samples
            if sample.name == name and labels.items() <= sample.labels.items()
        )

    @property
    def data(self) -> Path:
        """The directory of its tables."""
        return self.log.with_suffix("")

    @property
    def process_id(self) -> int:
        """Its process id."""
        assert self._process is not None
        return self._process.pid

    def answer(self, path: str) -> tuple[int, bytes]:
        """Return the status and body of its listener's answer."""
        connection = HTTPConnection("127.0.0.1", self._port, timeout=10)
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def stale(self) -> list[str]:
        """Return the loops that /healthz misses."""
        found: list[str] = json.loads(self.answer("/healthz")[1])["stale"]
        return found

    def log_end(self) -> str:
        """Return the last lines of the log."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-25:])

    def __enter__(self) -> Self:
        try:
            return self.start().wait_until_ready()
        except BaseException:
            self.__exit__()
            raise

    def __exit__(self, *_: object) -> None:
        if self._process is not None and self._process.poll() is None:
            self.kill()

    def _ready(self) -> bool:
        self.check()
        try:
            return self.answer("/readyz")[0] == 200
        except (OSError, HTTPException):
            return False


def decisions(installation: Installation) -> list[Decision]:
    """Return all decisions on both topics, without tombstones."""
    assigned = installation.read(installation.name(CATEGORIES_ASSIGNED))
    review = installation.read(installation.name(CATEGORIES_NEEDS_REVIEW))
    return [
        *(decode(message.value(), CategoryAssigned) for message in assigned if message.value() is not None),
        *(decode(message.value(), NeedsReview) for message in review if message.value() is not None),
    ]


def by_source(decisions: Iterable[Any]) -> dict[Position, set[str]]:
    """Return the distinct decision ids for each source event."""
    found: defaultdict[Position, set[str]] = defaultdict(set)
    for decision in decisions:
        found[decision.source.partition, decision.source.offset].add(decision.decision_id)
    return dict(found)
