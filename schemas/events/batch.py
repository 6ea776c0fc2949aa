"""The internal events that carry a micro-batch through the flow: batched products, candidates, completion."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Final, Self

import msgspec

from schemas.events.product import Product, ProductId, Timestamp, Title

_MAX_DETAIL_CHARACTERS: Final = 300


class Outcome(StrEnum):
    """What happened to an input event; each event has exactly one outcome."""

    ASSIGNED = "assigned"
    BACKED_OFF = "backed_off"
    NEEDS_REVIEW = "needs_review"
    REMOVED = "removed"
    UNCHANGED = "unchanged"
    SUPERSEDED = "superseded"
    DEAD_LETTER = "dead_letter"
    FAILED = "failed"
    """Recall or ranking could not process it; intake, which holds the original, makes it a dead letter."""


class EventOutcome(msgspec.Struct, frozen=True, array_like=True):
    """The outcome of the event at one offset; if it failed, ``detail`` says why and in which stage."""

    offset: int
    outcome: Outcome
    detail: str | None = None

    @classmethod
    def failed(cls, offset: int, stage: str, error: BaseException | str) -> Self:
        """Return the outcome of an event that a stage could not process, and why."""
        problem = error if isinstance(error, str) else f"{type(error).__name__}: {error}"
        return cls(offset, Outcome.FAILED, f"{stage}: {problem}"[:_MAX_DETAIL_CHARACTERS])


class BatchedProduct(msgspec.Struct, frozen=True):
    """One event of a micro-batch.

    ``product`` is the event's value, byte for byte, or null for a tombstone. ``timestamp_ms`` is the message's
    Kafka timestamp in milliseconds since the epoch. ``attempt`` is above 1 if the event was sent again, by a
    replay, from the dead letters or after a verdict: it is then decided even if the product has not changed, and
    ``original_offset`` is where it was first published, which is its place among the product's edits.
    ``verdict_offset`` is that of the verdict in the same partition of its topic, if a verdict is why, and
    ``judged_offset`` is where the event was when the decision was made that the verdict changes.
    """

    offset: int
    timestamp_ms: int
    product_id: ProductId
    product: msgspec.Raw
    attempt: int = 1
    original_offset: int | None = None
    verdict_offset: int | None = None
    judged_offset: int | None = None

    @property
    def first_offset(self) -> int:
        """The offset at which the event was first published: its place among the product's edits."""
        return self.offset if self.original_offset is None else self.original_offset


class ProductBatch(msgspec.Struct, frozen=True, kw_only=True):
    """A micro-batch of one source partition: per product the last undated event, and that of the newest date.

    Recall decides which of the two wins, because that may depend on events of earlier batches. ``settled`` are the
    events of the batch to which intake itself gave an outcome. ``generation`` grows whenever the partition's owner
    changes: once a later generation is known, nobody waits for the completion of this batch. A ``probe`` has no
    products: its completion, which ranking sends, says that both stages are working.
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
    """What ranking must know about a product besides its candidates; ``removed`` marks a tombstone.

    ``known`` says that the product may have been decided before, perhaps differently: the earlier decision must
    then be withdrawn from the other decision topic. ``verdict_offset`` is that of a verdict that must be known
    before the product is decided.
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
    verdict_offset: int | None = None

    @classmethod
    def of(
        cls,
        product: Product,
        offset: int,
        timestamp_ms: int = 0,
        *,
        known: bool = False,
        verdict_offset: int | None = None,
    ) -> Self:
        """Return what a decision repeats of the product; ``offset`` and ``timestamp_ms`` are its event's."""
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
            verdict_offset=verdict_offset,
        )


class PackedCandidates(msgspec.Struct, frozen=True, kw_only=True):
    """The union of candidates, m in total, for the n products that are not removed, as little-endian arrays.

    ``offsets`` int64 (n + 1,); ``categories`` int32 (m,), node indices of the taxonomy; ``scores`` float32
    (m, signals), NaN if a signal has no score; ``named`` uint8 (m, signals), 1 if the signal proposed the
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
    """What ranking must know about a micro-batch besides its candidates."""

    batch_id: str
    source_topic: str
    source_partition: int
    attempt: int
    model_version: str
    products: list[CandidateProduct]
    settled: list[EventOutcome] = []
    generation: int | None = None


class CandidateBatch(RecalledBatch, frozen=True, kw_only=True):
    """The micro-batch after recall; ``model_version`` names the bundle whose recall made it."""

    candidates: PackedCandidates

    @classmethod
    def of(cls, batch: RecalledBatch, candidates: PackedCandidates) -> Self:
        """Return the batch with its candidates."""
        return cls(**msgspec.structs.asdict(batch), candidates=candidates)


class BatchCompleted(msgspec.Struct, frozen=True, kw_only=True):
    """Every event of the batch has an outcome, and the broker has acknowledged every decision."""

    batch_id: str
    source_topic: str
    source_partition: int
    attempt: Annotated[int, msgspec.Meta(ge=1)]
    outcomes: list[EventOutcome]

    @classmethod
    def of(cls, batch: ProductBatch | RecalledBatch, outcomes: list[EventOutcome]) -> Self:
        """Return the event that completes a batch."""
        return cls(
            batch_id=batch.batch_id,
            source_topic=batch.source_topic,
            source_partition=batch.source_partition,
            attempt=batch.attempt,
            outcomes=outcomes,
        )
