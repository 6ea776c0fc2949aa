"""Check the events of one partition, coalesce edits of the same product, and pack the rest into a micro-batch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple
from uuid import NAMESPACE_URL, UUID, uuid5

import msgspec

from schemas.errors import InvalidEvent
from schemas.events.batch import BatchedProduct, EventOutcome, Outcome, ProductBatch
from schemas.events.dead_letter import Headers, attempt_of
from schemas.events.product import identify
from schemas.events.sent_again import judged_offset, original_offset, verdict_offset
from streams.kafka.headers import bytes_of
from workers.precedence import Contenders

_TOMBSTONE: Final = msgspec.Raw(b"null")
_NAMESPACE: Final[UUID] = uuid5(NAMESPACE_URL, "urn:shelfwise:batch")


class SourceEvent(NamedTuple):
    """A message of the source topic as it arrived."""

    offset: int
    timestamp_ms: int
    key: bytes | None
    value: bytes | None
    headers: Headers

    @property
    def size(self) -> int:
        """The bytes of key, value and headers, which intake holds and would write to a dead letter."""
        return len(self.key or b"") + len(self.value or b"") + bytes_of(self.headers)


@dataclass(frozen=True, slots=True)
class Rejected:
    """An event that breaks its contract, and how it does."""

    event: SourceEvent
    error: InvalidEvent


@dataclass(frozen=True, slots=True)
class PackedBatch:
    """A run of all events of one partition up to and including ``last_offset``: the unit that intake follows.

    ``originals`` maps offsets to the events of ``message``. ``rejected`` become dead letters.
    """

    message: ProductBatch
    first_offset: int
    last_offset: int
    first_timestamp_ms: int
    originals: dict[int, SourceEvent]
    rejected: tuple[Rejected, ...]


def pack(topic: str, partition: int, events: Sequence[SourceEvent]) -> PackedBatch:
    """Pack at least one event; the events must be in the order of their offsets.

    Events of a product that can no longer win are left out, whatever came before the batch. One or two remain per
    product: the last one without a date, and the one with the newest date (:mod:`workers.precedence`).

    The batch's id, a UUIDv5 (RFC 9562), depends only on its topic, partition and offsets: the same events packed
    again have the same id.
    """
    contenders: dict[str, Contenders[SourceEvent]] = {}
    superseded: list[int] = []
    rejected: list[Rejected] = []
    for event in events:
        try:
            product_id, updated_at = identify(event.value, event.key)
        except InvalidEvent as error:
            # Not the error itself: its traceback refers to this frame, and so to all events of the batch, which
            # would stay in memory until the garbage collector runs.
            rejected.append(Rejected(event, InvalidEvent(error.reason, error.detail)))
            continue
        known = contenders.setdefault(product_id, Contenders())
        out = known.add(updated_at, original_offset(event.headers, event.offset), event)
        superseded += [] if out is None else [out.offset]
    kept = [(product_id, event, first) for product_id, known in contenders.items() for first, event in known.items]
    kept.sort(key=lambda item: item[1].offset)
    settled = [EventOutcome(offset, Outcome.SUPERSEDED) for offset in superseded]
    settled += [EventOutcome(item.event.offset, Outcome.DEAD_LETTER) for item in rejected]
    first, last = events[0].offset, events[-1].offset
    return PackedBatch(
        message=ProductBatch(
            batch_id=str(uuid5(_NAMESPACE, f"{topic}/{partition}/{first}-{last}")),
            source_topic=topic,
            source_partition=partition,
            attempt=1,
            products=[_batched(*item) for item in kept],
            settled=sorted(settled, key=lambda outcome: outcome.offset),
        ),
        first_offset=first,
        last_offset=last,
        first_timestamp_ms=events[0].timestamp_ms,
        originals={event.offset: event for _, event, _ in kept},
        rejected=tuple(rejected),
    )


def _batched(product_id: str, event: SourceEvent, first_offset: int) -> BatchedProduct:
    # The value is passed on byte for byte: it was already checked to be JSON when it was decoded.
    product = _TOMBSTONE if event.value is None else msgspec.Raw(event.value)
    return BatchedProduct(
        event.offset,
        event.timestamp_ms,
        product_id,
        product,
        attempt_of(event.headers),
        None if first_offset == event.offset else first_offset,
        verdict_offset(event.headers),
        judged_offset(event.headers),
    )
