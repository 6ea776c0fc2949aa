"""What the stages that decide share beyond what all do: the model, and batches of events."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass, field
from typing import TypeVar

from schemas.events.batch import BatchCompleted, EventOutcome, ProductBatch, RecalledBatch
from schemas.events.cloudevents import EventType, headers
from schemas.events.codec import encode
from schemas.topics import BATCHES_COMPLETED, Topic
from streams.agents.context import Context
from streams.local_flow import LocalFlow
from streams.models import Models
from streams.outgoing import Outgoing
from streams.progress import Progress, Unknown
from workers.bundle.bundle import Bundle

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class ModelContext(Context):
    """``compute`` has a single thread: with two, the latencies of the model's libraries grow many times over."""

    models: Models
    compute: Executor
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

    def completion(self, batch: ProductBatch | RecalledBatch, outcomes: list[EventOutcome]) -> Outgoing:
        """Return the message that ends a batch."""
        value = encode(BatchCompleted.of(batch, outcomes))
        return self.message(
            BATCHES_COMPLETED, batch.source_partition, batch.batch_id, EventType.BATCH_COMPLETED, value
        )
