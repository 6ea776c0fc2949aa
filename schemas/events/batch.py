"""The internal events that carry a micro-batch through the flow: batched products, candidates, completion."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Final, Self

import msgspec

from schemas.events.product import Product, ProductId, Timestamp, Title

_MAX_DETAIL_CHARACTERS: Final = 300


class Outcome(StrEnum):
    """What became of one input event; each has exactly one."""

    ASSIGNED = "assigned"
    BACKED_OFF = "backed_off"
    NEEDS_REVIEW = "needs_review"
    REMOVED = "removed"
    UNCHANGED = "unchanged"
    SUPERSEDED = "superseded"
    DEAD_LETTER = "dead_letter"
    FAILED = "failed"
    """Recall or ranking could not do it; intake, which holds the original, makes it a dead letter."""


class EventOutcome(msgspec.Struct, frozen=True, array_like=True):
    """The outcome of the event at one offset; ``detail`` says why it failed, and where."""

    offset: int
    outcome: Outcome
    detail: str | None = None

    @classmethod
    def failed(cls, offset: int, stage: str, error: BaseException | str) -> Self:
        """Return the outcome of an event that a stage could not do, and why."""
        problem = error if isinstance(error, str) else f"{type(error).__name__}: {error}"
        return cls(offset, Outcome.FAILED, f"{stage}: {problem}"[:_MAX_DETAIL_CHARACTERS])


class BatchedProduct(msgspec.Struct, frozen=True):
    """One event of a micro-batch.

    ``product`` is the event's value, byte for byte, or null for a tombstone. ``timestamp_ms`` is the
    message's Kafka timestamp in milliseconds since the epoch. ``attempt`` is above 1 where a dead letter was
    sent again: such an event is decided even if the product has not changed. ``original_offset`` is then its place
    among the product's edits: where it was first published.
    """

    offset: int
    timestamp_ms: int
    product_id: ProductId
    product: msgspec.Raw
    attempt: int = 1
    original_offset: int | None = None

    @property
    def place(self) -> int:
        """Its place among the product's edits."""
        return self.offset if self.original_offset is None else self.original_offset


class ProductBatch(msgspec.Struct, frozen=True, kw_only=True):
    """A micro-batch of one source partition: of a product its last undated event, and that of the newest date.

    Which of the two stands may hang on events of earlier batches, so recall tells. ``settled`` are the events of
    the batch that intake itself brought to an outcome. ``generation`` grows with every change of the partition's
    owner: once a later one is known, nobody awaits the completion of this batch. A ``probe`` has no products:
    its completion, which ranking sends, says that both stages are at work.
    """

    batch_id: str
    source_topic: str
    source_partition: int
    attempt: int
    products: list[BatchedProduct]
    settled: list[EventOutcome] = []
    generation: int | None = None
    probe: bool = False


class CandidateProduct(msgspec.Struct, frozen=True, kw_only=True):
    """What ranking must say about a product beside its category; ``removed`` marks a tombstone.

    ``known`` says that the product may have been decided before, perhaps otherwise: its decision must then be
    withdrawn from the other topic of decisions.
    """

    offset: int
    timestamp_ms: int
    product_id: ProductId
    title: Title | None = None
    brand: str | None = None
    stores: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    updated_at: Timestamp | None = None
    removed: bool = False
    known: bool = False

    @classmethod
    def of(cls, product: Product, offset: int, timestamp_ms: int = 0, *, known: bool = False) -> Self:
        """Return what a decision on the product repeats of it; ``offset`` and time are of its event."""
        return cls(
            offset=offset,
            timestamp_ms=timestamp_ms,
            product_id=product.product_id,
            title=product.title,
            brand=product.brand,
            stores=product.stores,
            tags=product.tag_list(),
            updated_at=product.updated_at,
            known=known,
        )


class PackedCandidates(msgspec.Struct, frozen=True, kw_only=True):
    """The union of candidates, m in all, of the n products that are not removed, as little-endian arrays.

    ``offsets`` int64 (n + 1,); ``categories`` int32 (m,), node indices of the taxonomy; ``scores`` float32
    (m, signals), NaN where a signal says nothing; ``named`` uint8 (m, signals), 1 where a signal proposed the
    candidate; ``context`` float32 (n, context columns).
    """

    signals: tuple[str, ...]
    context_names: tuple[str, ...]
    offsets: bytes
    categories: bytes
    scores: bytes
    named: bytes
    context: bytes


class RecalledBatch(msgspec.Struct, frozen=True, kw_only=True):
    """What ranking must know of a micro-batch beside its candidates."""

    batch_id: str
    source_topic: str
    source_partition: int
    attempt: int
    model_version: str
    products: list[CandidateProduct]
    settled: list[EventOutcome] = []
    generation: int | None = None


class CandidateBatch(RecalledBatch, frozen=True, kw_only=True):
    """The micro-batch after recall. ``model_version`` names the bundle whose recall made it."""

    candidates: PackedCandidates

    @classmethod
    def of(cls, batch: RecalledBatch, candidates: PackedCandidates) -> Self:
        """Return the batch with its candidates."""
        return cls(**msgspec.structs.asdict(batch), candidates=candidates)


class BatchCompleted(msgspec.Struct, frozen=True, kw_only=True):
    """Every event of the batch has an outcome, and every decision was acknowledged by the broker."""

    batch_id: str
    source_topic: str
    source_partition: int
    attempt: Annotated[int, msgspec.Meta(ge=1)]
    outcomes: list[EventOutcome]

    @classmethod
    def of(cls, batch: ProductBatch | RecalledBatch, outcomes: list[EventOutcome]) -> Self:
        """Return what ends a batch."""
        return cls(
            batch_id=batch.batch_id,
            source_topic=batch.source_topic,
            source_partition=batch.source_partition,
            attempt=batch.attempt,
            outcomes=outcomes,
        )
