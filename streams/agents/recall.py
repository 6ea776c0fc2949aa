"""The recall agent: batches of products in, batches of candidates out."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import Any, Final

import numpy as np

from schemas.events.batch import (
    BatchedProduct,
    CandidateBatch,
    CandidateProduct,
    ProductBatch,
)
from schemas.events.cloudevents import EventType
from schemas.events.codec import decode, encode
from schemas.topics import CANDIDATES, PRODUCTS_BATCHED
from streams.agents.batch_stage import BatchStage
from streams.agents.gathering import LocalBatch
from streams.agents.handover import Handover
from streams.agents.model_context import ModelContext
from streams.agents.rereading import LogPlace
from streams.agents.sifting import STAGE, ProductRecords, Sifted, failed, sift
from streams.outgoing import Outgoing
from workers.candidates import Candidates
from workers.packing import pack
from workers.recall import Recall
from workers.statistics import Statistics

# Room for the headers and the record's own fields.
_MAX_VALUE_BYTES: Final = CANDIDATES.max_message_bytes - 4_096
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Prepared:
    """A batch to be recalled; ``times_given_up`` is how often partitions had been given up when it was begun."""

    batch: ProductBatch
    sifted: Sifted
    times_given_up: int


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
        context: ModelContext,
        statistics: Statistics,
        table: ProductRecords,
        handover: Handover | None = None,
    ) -> None:
        """``handover`` takes the candidates where this process ranks them too; else they leave through Kafka."""
        super().__init__(context)
        self._statistics = statistics
        self._table = table
        self._handover = handover
        self._leaving = asyncio.Lock()
        self._times_given_up = 0

    def take_from_intake(self) -> None:
        """Take the batches of the partitions that are opened to intake of this process; in the event loop."""
        self.context.local.deliver_to(self.gathering.add)

    async def give_up(self) -> None:
        """Finish what is under way, and begin anew with whatever partitions come."""
        await super().give_up()
        self._times_given_up += 1
        if self._handover is not None:
            self._handover.forget()

    def forget_waiting(self) -> None:
        """Leave what waits to whoever has the partitions next; intake sends it there."""
        self.context.local.close()
        self.context.local.give_back(self.gathering.forget())

    async def prepare(self, value: bytes | None, place: LogPlace) -> _Prepared | None:
        """Sort what is to be recalled from what has its outcome."""
        batch = decode(value, ProductBatch)
        place.expect(batch.source_partition)
        times_given_up = self._times_given_up
        with self.turns.waiting():
            passed = await self.context.progress.passed(batch)
        prepared = await self._begin(batch, times_given_up, again=self.rereading.possible(place))
        if not passed:
            return prepared
        # Recorded all the same: the worker that decided it may have died before its records were safe.
        self._record(prepared)
        self.context.metrics.batch_skipped(STAGE)
        return None

    async def prepare_item(self, item: Any) -> _Prepared | None:
        """Sort a batch that came through Kafka, or one that intake handed over: nobody has read that before."""
        if not isinstance(item, LocalBatch):
            return await super().prepare_item(item)
        if not self.context.local.awaits(item.batch):
            self.context.metrics.batch_skipped(STAGE)
            return None
        return await self._begin(item.batch, self._times_given_up, again=False)

    async def _begin(self, batch: ProductBatch, times_given_up: int, *, again: bool) -> _Prepared:
        partition = batch.source_partition
        if self._handover is not None:
            with self.turns.waiting():
                await self._handover.ready(partition)
        self._require_kept(times_given_up)
        again |= self._table.forgetful(partition)
        sifted = sift(batch, self._table.of(partition), self.context.bundle.model_version, again=again)
        return _Prepared(batch, sifted, times_given_up)

    async def finish(self, prepared: Sequence[_Prepared]) -> None:
        """Recall, record, and let the candidates leave beside the loop."""
        started = perf_counter()
        bundle = self.context.bundle
        candidates = await self._recall(bundle.recall, [item.sifted for item in prepared])
        leaving = [
            self._output(item, found, bundle.model_version)
            for item, found in zip(prepared, candidates, strict=True)
        ]
        for item in prepared:
            self._require_kept(item.times_given_up)
        for item in prepared:
            self._record(item)
        await self.beside(self._leave, leaving, self._times_given_up)
        products = sum(len(item.batch.products) for item in prepared)
        self.context.metrics.stage_finished(STAGE, perf_counter() - started, products)

    async def _leave(self, leaving: Sequence[Outgoing | CandidateBatch], times_given_up: int) -> None:
        """Hand over in order, and wait for the acknowledgement.

        Ranking may decide at once: were we killed then, the next owner must know that the products were decided.
        """
        recorded = asyncio.ensure_future(self._recorded(self._table.arrived(), times_given_up))
        try:
            async with self._leaving:
                if self._handover is not None:
                    batches = [item for item in leaving if isinstance(item, CandidateBatch)]
                    await self._handover.take(batches, recorded)
                await recorded
                acknowledged = await self.context.sink.submit(
                    [item for item in leaving if isinstance(item, Outgoing)]
                )
            await acknowledged
        except Exception as error:
            _log.error("%d batches did not leave recall (%r); they will be sent again", len(leaving), error)

    async def _recorded(self, arrived: Awaitable[None], times_given_up: int) -> None:
        """Return when records have ``arrived`` and are ours; raises where the partitions were given up meanwhile.

        The next owner may have read the changelog before they reached it: it would never learn of them.
        """
        await arrived
        self._require_kept(times_given_up)

    def _require_kept(self, times_given_up: int) -> None:
        """Raise where partitions were given up since: others may work on them, and what we read is old."""
        if self._times_given_up != times_given_up:
            raise RuntimeError("the partitions were given up meanwhile")

    def _record(self, prepared: _Prepared) -> None:
        records = self._table.of(prepared.batch.source_partition)
        for key, record in prepared.sifted.records.items():
            records[key] = encode(record)

    async def _recall(self, recall: Recall, sifted: Sequence[Sifted]) -> list[Candidates | None]:
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

    async def _recall_one_by_one(self, recall: Recall, sifted: Sifted) -> Candidates | None:
        statistics = self._statistics
        good = Sifted(sifted.settled)
        for product, event, known in zip(sifted.products, sifted.events, sifted.known, strict=True):
            try:
                await self.context.in_compute_thread(recall.candidates, [product], statistics)
            except Exception as error:
                sifted.settled.append(failed(event.offset, error))
                sifted.forget(event.product_id)
            else:
                good.products.append(product)
                good.events.append(event)
                good.known.append(known)
        sifted.products, sifted.events, sifted.known = good.products, good.events, good.known
        if not good.products:
            return None
        return await self.context.in_compute_thread(recall.candidates, good.products, statistics)

    def _output(
        self, item: _Prepared, candidates: Candidates | None, model_version: str
    ) -> Outgoing | CandidateBatch:
        """Return the candidates of a batch as they leave, or its completion where there is nothing to rank."""
        context, batch, sifted = self.context, item.batch, item.sifted
        if not sifted.products and not sifted.removed and not batch.probe:
            context.local.decided(batch)
            return context.completion(batch, sifted.settled)
        found = _candidate_batch(item, candidates, model_version)
        output = found if self._handover is not None else self._message(batch, sifted, found)
        if candidates is not None:
            named = candidates.named.sum(axis=0).tolist()
            by_signal = dict(zip(candidates.signals, named, strict=True))
            context.metrics.candidates(by_signal, np.diff(candidates.offsets).tolist())
        return output

    def _message(self, batch: ProductBatch, sifted: Sifted, found: CandidateBatch) -> Outgoing:
        value = encode(found)
        if len(value) > _MAX_VALUE_BYTES:
            return self._too_large(batch, sifted, len(value))
        return self.context.message(
            CANDIDATES, batch.source_partition, batch.batch_id, EventType.CANDIDATES, value
        )

    def _too_large(self, batch: ProductBatch, sifted: Sifted, size: int) -> Outgoing:
        error = ValueError(f"{size} bytes of candidates; lower SHELFWISE_BATCH_PRODUCTS")
        _log.error("batch %s: %s", batch.batch_id, error)
        undecidable: list[BatchedProduct | CandidateProduct] = [*sifted.events, *sifted.removed]
        for product in undecidable:
            sifted.forget(product.product_id)
        outcomes = sifted.settled + [failed(product.offset, error) for product in undecidable]
        return self.context.completion(batch, outcomes)


def _candidate_batch(item: _Prepared, candidates: Candidates | None, model_version: str) -> CandidateBatch:
    batch, sifted = item.batch, item.sifted
    ranked = [
        CandidateProduct.of(product, event.offset, event.timestamp_ms, known=known)
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
