"""What the agents of one process share."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from concurrent.futures import Executor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TypeVar

from schemas.events.batch import BatchCompleted, CandidateBatch, EventOutcome, ProductBatch
from schemas.events.cloudevents import EventType, headers
from schemas.events.codec import encode
from schemas.topics import BATCHES_COMPLETED, Topic
from streams.health import Health
from streams.local_flow import LocalFlow
from streams.metrics import Metrics
from streams.models import Models
from streams.outgoing import Outgoing
from streams.progress import Progress, Unknown
from streams.settings import Settings
from streams.sinks import Sink
from workers.bundle.bundle import Bundle

Result = TypeVar("Result")
MAX_DETAIL_CHARACTERS = 300


@dataclass(frozen=True, slots=True)
class Context:
    """``compute`` has a single thread: with two, the latencies of the model's libraries grow many times over."""

    settings: Settings
    models: Models
    compute: Executor
    sink: Sink
    metrics: Metrics
    health: Health
    progress: Progress = field(default_factory=Unknown)
    local: LocalFlow = field(default_factory=LocalFlow)

    @property
    def bundle(self) -> Bundle:
        """The model that decides now; it may be another one after the next ``await``."""
        return self.models.current

    async def in_compute_thread(self, work: Callable[..., Result], *arguments: object) -> Result:
        """Run model work off the event loop, which must go on answering Kafka."""
        return await asyncio.get_running_loop().run_in_executor(self.compute, work, *arguments)

    def message(self, topic: Topic, partition: int, batch_id: str, kind: EventType, value: bytes) -> Outgoing:
        """Return an internal message about a batch; it travels on the batch's partition number."""
        return Outgoing(self.settings.topic(topic), batch_id.encode(), value, headers(kind, batch_id), partition)

    def completion(self, batch: ProductBatch | CandidateBatch, outcomes: list[EventOutcome]) -> Outgoing:
        """Return the message that ends a batch."""
        completed = BatchCompleted(
            batch_id=batch.batch_id,
            source_topic=batch.source_topic,
            source_partition=batch.source_partition,
            attempt=batch.attempt,
            outcomes=outcomes,
        )
        return self.message(
            BATCHES_COMPLETED, batch.source_partition, batch.batch_id, EventType.BATCH_COMPLETED, encode(completed)
        )


class Turns:
    """Whether an agent's loop turns: idle or waiting it beats by itself, at work when some of the work ends."""

    def __init__(self, health: Health, name: str, limit_seconds: float) -> None:
        self._health = health
        self._name = name
        self._working = 0
        self._waiting = 0
        health.watch(name, limit_seconds)

    @contextmanager
    def working(self) -> Iterator[None]:
        """Mark one turn of the loop, or what is done beside it."""
        self._working += 1
        try:
            yield
        finally:
            self._working -= 1
            self._health.beat(self._name)

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """Mark that a turn waits for others, as for a broker that is away: it does not stand still."""
        self._waiting += 1
        try:
            yield
        finally:
            self._waiting -= 1
            self._health.beat(self._name)

    def beat_if_idle(self) -> None:
        """To be called every half second from the event loop, which thereby shows that it turns too."""
        if self._working <= self._waiting:
            self._health.beat(self._name)


async def at_once() -> None:
    """Wait for nothing: tables in memory alone are as safe as they will be."""


def failure_detail(stage: str, error: BaseException) -> str:
    """Return the detail of a failed event's outcome."""
    return f"{stage}: {type(error).__name__}: {error}"[:MAX_DETAIL_CHARACTERS]
