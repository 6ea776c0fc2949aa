"""Sort the events of a batch into those to decide and those that already have an outcome."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from schemas.errors import InvalidEvent
from schemas.events.batch import BatchedProduct, CandidateProduct, EventOutcome, Outcome, ProductBatch
from schemas.events.codec import decode
from schemas.events.product import Product, decode_product
from streams.agents.context import already_arrived
from streams.state.entries import Entries, EntriesOf
from workers.history import ProductRecord, RecallAction, content_digest, next_action, undecided

STAGE: Final = "recall"
_TOMBSTONE: Final = b"null"


@dataclass(frozen=True, slots=True)
class ProductRecords:
    """The table of records; ``of`` returns those of a partition.

    ``forgetful`` says whether records of a partition are missing; any of its products may then have been decided.
    ``arrived`` waits until every change made before the call is safe.
    """

    of: EntriesOf
    forgetful: Callable[[int], bool] = lambda _partition: False
    arrived: Callable[[], Awaitable[None]] = already_arrived


@dataclass(slots=True)
class Sifted:
    """A sorted batch: the products to rank, the removed ones, and the events that already have an outcome.

    ``settled_by_intake`` are the offsets that intake settled itself. The table may say that one of them was
    decided: it was recorded by a worker that died before the decision was sent, and intake has now packed it
    together with a later event and left it out. No event may count as unchanged because of such a record, in this
    batch or a later one; the product would get no decision at all.
    """

    settled: list[EventOutcome]
    settled_by_intake: set[int] = field(default_factory=set)
    products: list[Product] = field(default_factory=list)
    events: list[BatchedProduct] = field(default_factory=list)
    known: list[bool] = field(default_factory=list)
    again: bool = False
    removed: list[CandidateProduct] = field(default_factory=list)
    records: dict[bytes, ProductRecord] = field(default_factory=dict)

    def forget(self, product_id: str) -> None:
        """Record that a product could not be decided."""
        key = product_id.encode()
        if key in self.records:
            self.records[key] = undecided(self.records[key])


def sift(batch: ProductBatch, records: Entries, model_version: str, *, again: bool) -> Sifted:
    """Sort a batch; ``again`` says that any of its products may have been decided before."""
    sifted = Sifted(
        list(batch.settled), settled_by_intake={outcome.offset for outcome in batch.settled}, again=again
    )
    for event in _latest_first(batch.products):
        try:
            value = bytes(event.product)
            product = None if value == _TOMBSTONE else decode_product(value)
            _sift_event(event, product, _record(batch, event, product, model_version), records, sifted)
        except InvalidEvent as error:
            sifted.settled.append(EventOutcome.failed(event.offset, STAGE, error))
    return sifted


def _record(
    batch: ProductBatch, event: BatchedProduct, product: Product | None, model_version: str
) -> ProductRecord:
    """Return the record to store if this event is decided."""
    updated_at = None if product is None else product.updated_at
    digest = content_digest(product, model_version)
    return ProductRecord(batch.source_partition, event.first_offset, updated_at, digest, event.offset)


def _sift_event(
    event: BatchedProduct, product: Product | None, asked: ProductRecord, records: Entries, sifted: Sifted
) -> None:
    key = event.product_id.encode()
    known = records.get(key)
    before = sifted.records.get(key) or (None if known is None else decode(known, ProductRecord))
    if before is not None and before.decided_offset in sifted.settled_by_intake:
        before = sifted.records[key] = undecided(before)
    action, record = next_action(before, asked, again=event.attempt > 1, judged=event.judged_offset)
    if record is not None:
        sifted.records[key] = record
    if action is not RecallAction.DECIDE:
        outcome = Outcome.UNCHANGED if action is RecallAction.UNCHANGED else Outcome.SUPERSEDED
        sifted.settled.append(EventOutcome(event.offset, outcome))
    elif product is None:
        sifted.removed.append(
            CandidateProduct(
                offset=event.offset, timestamp_ms=event.timestamp_ms, product_id=event.product_id, removed=True
            )
        )
    else:
        sifted.products.append(product)
        sifted.events.append(event)
        sifted.known.append(known is not None or sifted.again)


def _latest_first(events: Sequence[BatchedProduct]) -> Iterator[BatchedProduct]:
    """Yield the later of two events of a product first: if it wins, the earlier one is never decided."""
    of_product: dict[str, list[BatchedProduct]] = {}
    for event in events:
        of_product.setdefault(event.product_id, []).append(event)
    for group in of_product.values():
        yield from sorted(group, key=lambda event: event.first_offset, reverse=True)
