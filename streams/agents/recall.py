"""The recall agent: batches of products in, batches of candidates out."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from time import perf_counter
from typing import Final, Protocol

import numpy as np

from schemas.errors import InvalidEvent
from schemas.events.batch import (
    BatchedProduct,
    CandidateBatch,
    CandidateProduct,
    EventOutcome,
    Outcome,
    ProductBatch,
)
from schemas.events.cloudevents import EventType
from schemas.events.codec import decode, encode
from schemas.events.product import Product, decode_product
from schemas.topics import CANDIDATES, PRODUCTS_BATCHED
from streams.agents.batch_stage import BatchStage
from streams.agents.context import Context, at_once, failure_detail
from streams.agents.rereading import LogPlace
from streams.outgoing import Outgoing
from workers.candidates import Candidates
from workers.history import Action, ProductRecord, consider, content_digest, undecided
from workers.packing import pack
from workers.recall import Recall
from workers.statistics import Statistics

STAGE: Final = "recall"
# Room for the headers and the record's own fields.
_MAX_VALUE_BYTES: Final = CANDIDATES.max_message_bytes - 4_096
_TOMBSTONE: Final = b"null"
_log = logging.getLogger(__name__)


class Records(Protocol):
    """What is known of the products of one partition, encoded, by product."""

    def get(self, key: bytes, /) -> bytes | None:
        """Return a record, or ``None``."""

    def __setitem__(self, key: bytes, value: bytes, /) -> None:
        """Set a record."""


@dataclass(slots=True)
class _Sifted:
    """A batch, sorted: what is to be ranked, what was removed, and what has its outcome already.

    ``coalesced`` are offsets that intake settled. One of them that is on record as decided was recorded by a
    worker that died before the decision left; packed anew with a later event, it is left out. Nothing may pass for
    unchanged by it, in this batch or a later one: the product would have no decision at all.
    """

    settled: list[EventOutcome]
    coalesced: set[int] = field(default_factory=set)
    products: list[Product] = field(default_factory=list)
    events: list[BatchedProduct] = field(default_factory=list)
    known: list[bool] = field(default_factory=list)
    again: bool = False
    removed: list[CandidateProduct] = field(default_factory=list)
    records: dict[bytes, ProductRecord] = field(default_factory=dict)

    def forget(self, product_id: str) -> None:
        """Remember of a product that it could not be decided."""
        key = product_id.encode()
        if key in self.records:
            self.records[key] = undecided(self.records[key])


@dataclass(frozen=True, slots=True)
class _Prepared:
    """A batch to be recalled."""

    batch: ProductBatch
    sifted: _Sifted


class RecallStage(BatchStage[_Prepared]):
    """Finds the candidates of batches.

    A batch is sent to ranking when its records are safe: a product without a record was never decided. Meanwhile
    the next ones are recalled; batches leave in the order in which they were recorded.

    The table goes by offsets of one source topic: give a source topic that was made anew another topic prefix.
    """

    name = STAGE
    topic = PRODUCTS_BATCHED

    def __init__(
        self,
        context: Context,
        statistics: Statistics,
        records: Callable[[int], Records],
        forgetful: Callable[[int], bool] = lambda _partition: False,
        records_arrived: Callable[[], Awaitable[None]] = at_once,
    ) -> None:
        """``records`` gives those of a partition.

        ``forgetful`` says of a partition that records are missing: any product may then have been decided.
        ``records_arrived`` waits until every change of ``records`` is safe that was made before the call.
        """
        super().__init__(context)
        self._forgetful = forgetful
        self._records_arrived = records_arrived
        self._statistics = statistics
        self._records = records
        self._leaving = asyncio.Lock()

    async def prepare(self, value: bytes | None, place: LogPlace) -> _Prepared | None:
        """Sort what is to be recalled from what has its outcome."""
        batch = decode(value, ProductBatch)
        if batch.source_partition != place.partition:
            raise InvalidEvent(
                "out_of_bounds", f"a batch of partition {batch.source_partition} came on {place.partition}"
            )
        passed = await self.context.progress.passed(batch)
        sifted = self._sift(batch, again=self.rereading.possible(place) or self._forgetful(place.partition))
        if not passed:
            return _Prepared(batch, sifted)
        # Recorded all the same: the worker that decided it may have died before its records were safe.
        self._record(batch, sifted)
        self.context.metrics.batch_skipped(STAGE)
        return None

    async def finish(self, prepared: Sequence[_Prepared]) -> None:
        """Recall, record, and let the candidates leave beside the loop."""
        started = perf_counter()
        bundle = self.context.bundle
        candidates = await self._recall(bundle.recall, [item.sifted for item in prepared])
        messages = [
            self._message(item, found, bundle.model_version)
            for item, found in zip(prepared, candidates, strict=True)
        ]
        for item in prepared:
            self._record(item.batch, item.sifted)
        await self.beside(self._leave, messages)
        products = sum(len(item.batch.products) for item in prepared)
        self.context.metrics.stage_finished(STAGE, perf_counter() - started, products)

    async def _leave(self, messages: Sequence[Outgoing]) -> None:
        """Hand over in order, and wait for the acknowledgement.

        Ranking may decide at once: were we killed then, the next owner must know that the products were decided.
        """
        recorded = self._records_arrived()
        try:
            async with self._leaving:
                await recorded
                acknowledged = await self.context.sink.submit(messages)
            await acknowledged
        except Exception as error:
            _log.error("%d batches did not leave recall (%r); they will be sent again", len(messages), error)

    def _record(self, batch: ProductBatch, sifted: _Sifted) -> None:
        records = self._records(batch.source_partition)
        for key, record in sifted.records.items():
            records[key] = encode(record)

    def _sift(self, batch: ProductBatch, *, again: bool) -> _Sifted:
        sifted = _Sifted(list(batch.settled), coalesced={outcome.offset for outcome in batch.settled}, again=again)
        for event in _latest_first(batch.products):
            try:
                self._sift_event(batch, event, sifted)
            except InvalidEvent as error:
                sifted.settled.append(_failed(event.offset, error))
        return sifted

    def _sift_event(self, batch: ProductBatch, event: BatchedProduct, sifted: _Sifted) -> None:
        value = bytes(event.product)
        product = None if value == _TOMBSTONE else decode_product(value)
        digest = content_digest(product, self.context.bundle.model_version)
        key = event.product_id.encode()
        updated_at = None if product is None else product.updated_at
        known = self._records(batch.source_partition).get(key)
        before = sifted.records.get(key) or (None if known is None else decode(known, ProductRecord))
        if before is not None and before.decided_offset in sifted.coalesced:
            before = sifted.records[key] = undecided(before)
        action, record = consider(
            before,
            ProductRecord(batch.source_partition, event.place, updated_at, digest, event.offset),
            again=event.attempt > 1,
        )
        if record is not None:
            sifted.records[key] = record
        if action is not Action.DECIDE:
            outcome = Outcome.UNCHANGED if action is Action.UNCHANGED else Outcome.SUPERSEDED
            sifted.settled.append(EventOutcome(event.offset, outcome))
            return
        if product is None:
            sifted.removed.append(
                CandidateProduct(
                    offset=event.offset, timestamp_ms=event.timestamp_ms, product_id=event.product_id, removed=True
                )
            )
        else:
            sifted.products.append(product)
            sifted.events.append(event)
            sifted.known.append(known is not None or sifted.again)

    async def _recall(self, recall: Recall, sifted: Sequence[_Sifted]) -> list[Candidates | None]:
        """Recall all at once; where that fails, one by one, so that one product costs no other its decision."""
        products = [product for item in sifted for product in item.products]
        if not products:
            return [None] * len(sifted)
        try:
            together = await self.context.in_compute_thread(recall.candidates, products, self._statistics)
        except Exception:
            _log.exception("recall of %d products at once failed; trying one by one", len(products))
            return [await self._recall_one_by_one(recall, item) for item in sifted]
        found: list[Candidates | None] = []
        start = 0
        for item in sifted:
            found.append(together.part(start, start + len(item.products)) if item.products else None)
            start += len(item.products)
        return found

    async def _recall_one_by_one(self, recall: Recall, sifted: _Sifted) -> Candidates | None:
        statistics = self._statistics
        good = _Sifted(sifted.settled)
        for product, event, known in zip(sifted.products, sifted.events, sifted.known, strict=True):
            try:
                await self.context.in_compute_thread(recall.candidates, [product], statistics)
            except Exception as error:
                sifted.settled.append(_failed(event.offset, error))
                sifted.forget(event.product_id)
            else:
                good.products.append(product)
                good.events.append(event)
                good.known.append(known)
        sifted.products, sifted.events, sifted.known = good.products, good.events, good.known
        if not good.products:
            return None
        return await self.context.in_compute_thread(recall.candidates, good.products, statistics)

    def _message(self, item: _Prepared, candidates: Candidates | None, model_version: str) -> Outgoing:
        """Return the candidates of a batch, or its completion where there is nothing to rank."""
        context, batch, sifted = self.context, item.batch, item.sifted
        if not sifted.products and not sifted.removed and not batch.probe:
            return context.completion(batch, sifted.settled)
        value = encode(_candidate_batch(item, candidates, model_version))
        if len(value) > _MAX_VALUE_BYTES:
            return self._too_large(batch, sifted, len(value))
        if candidates is not None:
            named = candidates.named.sum(axis=0).tolist()
            by_signal = dict(zip(candidates.signals, named, strict=True))
            context.metrics.candidates(by_signal, np.diff(candidates.offsets).tolist())
        return context.message(CANDIDATES, batch.source_partition, batch.batch_id, EventType.CANDIDATES, value)

    def _too_large(self, batch: ProductBatch, sifted: _Sifted, size: int) -> Outgoing:
        error = ValueError(f"{size} bytes of candidates; lower SHELFWISE_BATCH_PRODUCTS")
        _log.error("batch %s: %s", batch.batch_id, error)
        undecidable: list[BatchedProduct | CandidateProduct] = [*sifted.events, *sifted.removed]
        for product in undecidable:
            sifted.forget(product.product_id)
        outcomes = sifted.settled + [_failed(product.offset, error) for product in undecidable]
        return self.context.completion(batch, outcomes)


def _candidate_batch(item: _Prepared, candidates: Candidates | None, model_version: str) -> CandidateBatch:
    batch, sifted = item.batch, item.sifted
    ranked = [
        CandidateProduct(
            offset=event.offset,
            timestamp_ms=event.timestamp_ms,
            product_id=event.product_id,
            brand=product.brand,
            stores=product.stores,
            updated_at=product.updated_at,
            known=known,
        )
        for event, product, known in zip(sifted.events, sifted.products, sifted.known, strict=True)
    ]
    return CandidateBatch(
        batch_id=batch.batch_id,
        source_topic=batch.source_topic,
        source_partition=batch.source_partition,
        attempt=batch.attempt,
        model_version=model_version,
        products=ranked + sifted.removed,
        candidates=pack(candidates if candidates is not None else _no_candidates()),
        settled=sifted.settled,
        generation=batch.generation,
    )


def _no_candidates() -> Candidates:
    return Candidates(
        signals=(),
        context_names=(),
        offsets=np.zeros(1, np.int64),
        categories=np.empty(0, np.int32),
        scores=np.empty((0, 0), np.float32),
        named=np.empty((0, 0), np.bool_),
        context=np.empty((0, 0), np.float32),
    )


def _latest_first(events: Sequence[BatchedProduct]) -> Iterator[BatchedProduct]:
    """Yield of two events of one product the later one first: where it stands, the other is never decided."""
    of_product: dict[str, list[BatchedProduct]] = {}
    for event in events:
        of_product.setdefault(event.product_id, []).append(event)
    for group in of_product.values():
        yield from sorted(group, key=lambda event: event.place, reverse=True)


def _failed(offset: int, error: BaseException) -> EventOutcome:
    return EventOutcome(offset, Outcome.FAILED, failure_detail(STAGE, error))
