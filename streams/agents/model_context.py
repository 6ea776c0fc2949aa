"""What the deciding stages share beyond the common context: the models, and messages about batches."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

from schemas.events.batch import BatchCompleted, EventOutcome, ProductBatch, RecalledBatch
from schemas.events.cloudevents import EventType, headers
from schemas.events.codec import encode
from schemas.topics import BATCHES_COMPLETED, Topic
from streams.agents.context import Context
from streams.local_flow import LocalFlow
from streams.model_process.calls import ModelCalls
from streams.outgoing import Outgoing
from streams.progress import Progress, Unknown


class ModelsToAsk(Protocol):
    """The models that decide; see :class:`streams.model_process.models.Models`."""

    @property
    def current(self) -> ModelCalls:
        """The model that recall uses; it may be another one after the next ``await``."""

    def of(self, version: str) -> ModelCalls | None:
        """Return the model of this version, or ``None``."""


@dataclass(frozen=True, slots=True)
class ModelContext(Context):
    """What the deciding stages need."""

    models: ModelsToAsk
    progress: Progress = field(default_factory=Unknown)
    local: LocalFlow = field(default_factory=LocalFlow)

    def message(self, topic: Topic, partition: int, batch_id: str, kind: EventType, value: bytes) -> Outgoing:
        """Return an internal message about a batch, to be sent on the batch's partition number."""
        return Outgoing(self.settings.topic(topic), batch_id.encode(), value, headers(kind, batch_id), partition)

    def completion(self, batch: ProductBatch | RecalledBatch, outcomes: list[EventOutcome]) -> Outgoing:
        """Return the message that completes a batch."""
        value = encode(BatchCompleted.of(batch, outcomes))
        return self.message(
            BATCHES_COMPLETED, batch.source_partition, batch.batch_id, EventType.BATCH_COMPLETED, value
        )
