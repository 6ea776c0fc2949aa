"""The recall agent: batches of products in, batches of candidates out."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from time import perf_counter
from typing import Any, Final

import numpy as np

from schemas.events.batch import (
    BatchedProduct,
    CandidateBatch,
    CandidateProduct,
    ProductBatch,
    RecalledBatch,
)
from schemas.events.cloudevents import EventType
from schemas.events.codec import decode, encode
from schemas.topics import CANDIDATES, PRODUCTS_BATCHED
from streams.agents.batch_stage import BatchStage
from streams.agents.gathering import LocalBatch
from streams.agents.handover import Handover
from streams.agents.model_context import ModelContext
from streams.agents.ranking import Ranked
from streams.agents.rereading import LogPlace
from streams.agents.sifting import STAGE, ProductRecords, Sifted, failed, sift
from streams.outgoing import Outgoing
from workers.bundle.bundle import Bundle
from workers.candidates import Candidates
from workers.packing import pack
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

    @property
    def is_to_be_ranked(self) -> bool:
        """Whether anything is left for ranking to say, if only that it is at work."""
        return bool(self.sifted.products or self.sifted.removed or self.batch.probe)

    def recalled(self, model_version: str) -> RecalledBatch:
        """Return what ranking must know of the batch beside its candidates."""
        batch, sifted = self.batch, self.sifted
        ranked = [
            CandidateProduct.of(product, event.offset, event.timestamp_ms, known=known)
            for event, product, known in zip(sifted.events, sifted.products, sifted.known, strict=True)
        ]
        return RecalledBatch(
            batch_id=batch.batch_id,
            source_topic=batch.source_topic,
            source_partition=batch.source_partition,
            attempt=batch.attempt,
            model_version=model_version,
            products=ranked + sifted.removed,
            settled=sifted.settled,
            generation=batch.generation,
        )


@dataclass(frozen=True, slots=True)
class _Begun:
    """What is under way in the compute thread.

    ``batches`` are those of the ``prepared`` in which something is to be ranked, ``candidates`` are of all their
    products; ``decided`` is what comes of them where this process ranks.
    """

    prepared: Sequence[_Prepared]
    batches: list[RecalledBatch]
    candidates: Future[Candidates]
    decided: Future[list[Ranked]] | None


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
        begun, candidates = await self._recall(self.context.bundle, prepared)
        leaving = self._messages(begun, candidates)
        for item in prepared:
            self._require_kept(item.times_given_up)
        for item in prepared:
            self._record(item)
        await self.beside(self._leave, leaving, begun, self._times_given_up)
        products = sum(len(item.batch.products) for item in prepared)
        self.context.metrics.stage_finished(STAGE, perf_counter() - started, products)

    async def _leave(self, leaving: Sequence[Outgoing], begun: _Begun, times_given_up: int) -> None:
        """Hand over in order, and wait for the acknowledgement.

        Ranking may decide at once: were we killed then, the next owner must know that the products were decided.
        """
        recorded = asyncio.ensure_future(self._recorded(self._table.arrived(), times_given_up))
        try:
            async with self._leaving:
                if self._handover is not None and begun.decided is not None:
                    await self._handover.take(begun.batches, begun.decided, recorded)
                await recorded
                acknowledged = await self.context.sink.submit(leaving)
            await acknowledged
        except Exception as error:
            _log.error("%d batches did not leave recall (%r); they will be sent again", len(begun.prepared), error)

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

    async def _recall(self, bundle: Bundle, prepared: Sequence[_Prepared]) -> tuple[_Begun, Candidates]:
        """Recall all at once; where that fails, without the products that fail alone too."""
        begun = self._begin_recall(bundle, prepared)
        try:
            return begun, await asyncio.wrap_future(begun.candidates)
        except Exception:
            _log.exception("recall of %d batches at once failed; trying their products one by one", len(prepared))
        for item in prepared:
            await self._settle_failing(bundle, item.sifted)
        begun = self._begin_recall(bundle, prepared)
        return begun, await asyncio.wrap_future(begun.candidates)

    def _begin_recall(self, bundle: Bundle, prepared: Sequence[_Prepared]) -> _Begun:
        batches = [item.recalled(bundle.model_version) for item in prepared if item.is_to_be_ranked]
        products = [product for item in prepared for product in item.sifted.products]
        if products:
            candidates = self.context.compute.submit(bundle.recall.candidates, products, self._statistics)
        else:
            candidates = Future()
            candidates.set_result(Candidates.none())
        handover = self._handover if batches else None
        decided = handover.begin(bundle, batches, candidates) if handover else None
        return _Begun(prepared, batches, candidates, decided)

    async def _settle_failing(self, bundle: Bundle, sifted: Sifted) -> None:
        good = Sifted(sifted.settled)
        for product, event, known in zip(sifted.products, sifted.events, sifted.known, strict=True):
            try:
                await self.context.in_compute_thread(bundle.recall.candidates, [product], self._statistics)
            except Exception as error:
                sifted.settled.append(failed(event.offset, error))
                sifted.forget(event.product_id)
            else:
                good.products.append(product)
                good.events.append(event)
                good.known.append(known)
        sifted.products, sifted.events, sifted.known = good.products, good.events, good.known

    def _messages(self, begun: _Begun, candidates: Candidates) -> list[Outgoing]:
        """Return the completions of batches without anything to rank, and what others are to rank."""
        self._count(candidates)
        messages, start = [], 0
        batches = iter(begun.batches)
        for item in begun.prepared:
            stop = start + len(item.sifted.products)
            if not item.is_to_be_ranked:
                self.context.local.decided(item.batch)
                messages.append(self.context.completion(item.batch, item.sifted.settled))
            elif self._handover is None:
                found = candidates.part(start, stop) if stop > start else Candidates.none()
                messages.append(self._message(item, next(batches), found))
            start = stop
        return messages

    def _count(self, candidates: Candidates) -> None:
        named = candidates.named.sum(axis=0).tolist()
        by_signal = dict(zip(candidates.signals, named, strict=True))
        self.context.metrics.candidates(by_signal, np.diff(candidates.offsets).tolist())

    def _message(self, item: _Prepared, batch: RecalledBatch, candidates: Candidates) -> Outgoing:
        value = encode(CandidateBatch.of(batch, pack(candidates)))
        if len(value) > _MAX_VALUE_BYTES:
            return self._too_large(item, len(value))
        return self.context.message(
            CANDIDATES, batch.source_partition, batch.batch_id, EventType.CANDIDATES, value
        )

    def _too_large(self, item: _Prepared, size: int) -> Outgoing:
        batch, sifted = item.batch, item.sifted
        error = ValueError(f"{size} bytes of candidates; lower SHELFWISE_BATCH_PRODUCTS")
        _log.error("batch %s: %s", batch.batch_id, error)
        undecidable: list[BatchedProduct | CandidateProduct] = [*sifted.events, *sifted.removed]
        for product in undecidable:
            sifted.forget(product.product_id)
        outcomes = sifted.settled + [failed(product.offset, error) for product in undecidable]
        return self.context.completion(batch, outcomes)
