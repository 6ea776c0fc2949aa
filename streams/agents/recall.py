"""The recall agent: reads batches of products, and sends batches of candidates."""

from __future__ import annotations

import asyncio
import logging
from asyncio import Future
from collections.abc import Awaitable, Sequence
from dataclasses import dataclass
from functools import partial
from time import perf_counter
from typing import Any, Final

from schemas.events.batch import (
    BatchedProduct,
    CandidateBatch,
    CandidateProduct,
    EventOutcome,
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
from streams.agents.rereading import LogPlace
from streams.agents.sifting import STAGE, ProductRecords, Sifted, sift
from streams.model_process.calls import ModelCalls, ModelFailure
from streams.model_process.messages import Decided, Recalled
from streams.outgoing import Outgoing
from workers.recall.candidates import Candidates
from workers.recall.packing import pack, unpack

# Leaves room for the headers and the record's own fields.
_MAX_VALUE_BYTES: Final = CANDIDATES.max_message_bytes - 4_096
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Prepared:
    """A batch to recall; ``times_given_up`` is how often partitions had been given up when its work began."""

    batch: ProductBatch
    sifted: Sifted
    times_given_up: int

    @property
    def is_to_be_ranked(self) -> bool:
        """Whether ranking has anything to do, if only to answer a probe."""
        return bool(self.sifted.products or self.sifted.removed or self.batch.probe)

    def recalled(self, model_version: str) -> RecalledBatch:
        """Return what ranking must know about the batch besides its candidates."""
        batch, sifted = self.batch, self.sifted
        ranked = [
            CandidateProduct.of(
                product, event.offset, event.timestamp_ms, known=known, verdict_offset=event.verdict_offset
            )
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
    """The work that the model is doing.

    ``batches`` are made of those of the ``prepared`` in which something is to be ranked. ``recalled`` covers the
    products of all ``prepared``. ``decided`` holds the decisions on ``batches`` if this process ranks.
    """

    prepared: Sequence[_Prepared]
    batches: list[RecalledBatch]
    recalled: Future[Recalled]
    decided: Future[Decided] | None = None


class RecallStage(BatchStage[_Prepared]):
    """Finds the candidates of batches.

    A batch is sent to ranking only when its records are safe, so a product without a record was never decided. The
    next batches are recalled meanwhile. Batches leave in the order in which they were recorded.

    The table relies on the offsets of one source topic: if a source topic is recreated, use another topic prefix.
    """

    name = STAGE
    topic = PRODUCTS_BATCHED

    def __init__(
        self,
        context: ModelContext,
        table: ProductRecords,
        handover: Handover | None = None,
    ) -> None:
        """``handover`` takes the candidates if this process ranks them too; otherwise they leave through Kafka."""
        super().__init__(context)
        self._table = table
        self._handover = handover
        self._leaving = asyncio.Lock()
        self._times_given_up = 0

    def take_from_intake(self) -> None:
        """Start taking batches from intake of this process; must be called in the event loop."""
        self.context.local.deliver_to(self.gathering.add)

    async def give_up(self) -> None:
        """Finish the work in progress, and forget what was known about the old assignment."""
        await super().give_up()
        self._times_given_up += 1
        if self._handover is not None:
            self._handover.forget()

    def forget_waiting(self) -> None:
        """Leave the waiting batches to the next owner of the partitions; intake sends its own ones there."""
        self.context.local.close()
        self.context.local.give_back(self.gathering.forget())

    async def prepare(self, value: bytes | None, place: LogPlace) -> _Prepared | None:
        """Sort the batch into events to recall and events that have an outcome; ``None`` if it needs no work."""
        batch = decode(value, ProductBatch)
        place.expect(batch.source_partition)
        times_given_up = self._times_given_up
        with self.heartbeat.waiting():
            passed = await self.context.progress.passed(batch)
        prepared = await self._begin(batch, times_given_up, again=self.rereading.possible(place))
        if not passed:
            return prepared
        # The records are written all the same: the worker that decided it may have died before they were safe.
        self._record(prepared)
        self.context.metrics.batch_skipped(STAGE)
        return None

    async def prepare_item(self, item: Any) -> _Prepared | None:
        """Sort a batch that came through Kafka, or one that intake handed over, which nobody has read before."""
        if not isinstance(item, LocalBatch):
            return await super().prepare_item(item)
        if not self.context.local.awaits(item.batch):
            self.context.metrics.batch_skipped(STAGE)
            return None
        return await self._begin(item.batch, self._times_given_up, again=False)

    async def _begin(self, batch: ProductBatch, times_given_up: int, *, again: bool) -> _Prepared:
        partition = batch.source_partition
        if self._handover is not None:
            with self.heartbeat.waiting():
                await self._handover.ready(partition)
        self._require_kept(times_given_up)
        again |= self._table.forgetful(partition)
        sifted = sift(batch, self._table.of(partition), self.context.models.current.version, again=again)
        return _Prepared(batch, sifted, times_given_up)

    async def finish(self, prepared: Sequence[_Prepared]) -> None:
        """Recall and record, then let the candidates leave outside the loop."""
        started = perf_counter()
        begun, recalled = await self._recall(self.context.models.current, prepared)
        leaving = self._messages(begun, recalled)
        for item in prepared:
            self._require_kept(item.times_given_up)
        for item in prepared:
            self._record(item)
        await self.beside(self._leave, leaving, begun, self._times_given_up)
        products = sum(len(item.batch.products) for item in prepared)
        self.context.metrics.stage_finished(STAGE, perf_counter() - started, products)

    async def _leave(self, leaving: Sequence[Outgoing], begun: _Begun, times_given_up: int) -> None:
        """Hand over the batches in order, and wait for the acknowledgements.

        Ranking may decide at once. If this process were killed then, the next owner must still know that the
        products were decided.
        """
        arrived = asyncio.ensure_future(self._table.arrived())
        recorded = partial(self._recorded, arrived, times_given_up)
        try:
            async with self._leaving:
                if self._handover is not None and begun.decided is not None:
                    await self._handover.take(begun.batches, begun.decided, recorded)
                else:
                    await recorded()
                acknowledged = await self.context.sink.submit(leaving)
            await acknowledged
        except Exception as error:
            arrived.cancel()
            _log.error("%d batches did not leave recall (%r); they will be sent again", len(begun.prepared), error)

    async def _recorded(self, arrived: Awaitable[None], times_given_up: int) -> None:
        """Return when the records have ``arrived``; raise if partitions were given up since the work began.

        The next owner may then have read the changelog before the records reached it, and would never see them.
        """
        await arrived
        self._require_kept(times_given_up)

    def _require_kept(self, times_given_up: int) -> None:
        """Raise if partitions were given up since: others may work on them, and what we have read is outdated."""
        if self._times_given_up != times_given_up:
            raise RuntimeError("the partitions were given up meanwhile")

    def _record(self, prepared: _Prepared) -> None:
        records = self._table.of(prepared.batch.source_partition)
        for key, record in prepared.sifted.records.items():
            records[key] = encode(record)

    async def _recall(self, model: ModelCalls, prepared: Sequence[_Prepared]) -> tuple[_Begun, Recalled]:
        """Recall all batches at once; if that fails, leave out the products that also fail alone."""
        begun = self._begin_recall(model, prepared)
        try:
            return begun, await begun.recalled
        except ModelFailure as error:
            _log.error("recall of %d batches at once failed (%s); trying one by one", len(prepared), error)
        for item in prepared:
            await self._settle_failing(model, item.sifted)
        begun = self._begin_recall(model, prepared)
        return begun, await begun.recalled

    def _begin_recall(self, model: ModelCalls, prepared: Sequence[_Prepared]) -> _Begun:
        batches = [item.recalled(model.version) for item in prepared if item.is_to_be_ranked]
        products = [product for item in prepared for product in item.sifted.products]
        if batches and self._handover is not None:
            call = model.decide(products, batches)
            return _Begun(prepared, batches, call.recalled, call.decided)
        return _Begun(prepared, batches, model.recall(products) if products else _nothing())

    async def _settle_failing(self, model: ModelCalls, sifted: Sifted) -> None:
        good = Sifted(sifted.settled)
        for product, event, known in zip(sifted.products, sifted.events, sifted.known, strict=True):
            try:
                await model.recall([product])
            except ModelFailure as error:
                sifted.settled.append(EventOutcome.failed(event.offset, STAGE, str(error)))
                sifted.forget(event.product_id)
            else:
                good.products.append(product)
                good.events.append(event)
                good.known.append(known)
        sifted.products, sifted.events, sifted.known = good.products, good.events, good.known

    def _messages(self, begun: _Begun, recalled: Recalled) -> list[Outgoing]:
        """Return completions for batches with nothing to rank, and candidates for other workers to rank."""
        self.context.metrics.candidates(recalled.named, recalled.sizes)
        candidates = unpack(recalled.candidates) if recalled.candidates else Candidates.none()
        messages, start = [], 0
        batches = iter(begun.batches)
        for item in begun.prepared:
            stop = start + len(item.sifted.products)
            if not item.is_to_be_ranked:
                self.context.local.decided(item.batch)
                messages.append(self.context.completion(item.batch, item.sifted.settled))
            elif begun.decided is None:
                found = candidates.part(start, stop) if stop > start else Candidates.none()
                messages.append(self._message(item, next(batches), found))
            start = stop
        return messages

    def _message(self, item: _Prepared, batch: RecalledBatch, candidates: Candidates) -> Outgoing:
        value = encode(CandidateBatch.of(batch, pack(candidates)))
        if len(value) > _MAX_VALUE_BYTES:
            return self._too_large(item, len(value))
        return self.context.message(
            CANDIDATES, batch.source_partition, batch.batch_id, EventType.CANDIDATES, value
        )

    def _too_large(self, item: _Prepared, size: int) -> Outgoing:
        batch, sifted = item.batch, item.sifted
        products = len(sifted.products)
        error = ValueError(
            f"{size} bytes of candidates of {products} products; set SHELFWISE_BATCH_PRODUCTS to fewer"
        )
        _log.error("batch %s: %s", batch.batch_id, error)
        undecidable: list[BatchedProduct | CandidateProduct] = [*sifted.events, *sifted.removed]
        for product in undecidable:
            sifted.forget(product.product_id)
        outcomes = sifted.settled + [EventOutcome.failed(product.offset, STAGE, error) for product in undecidable]
        return self.context.completion(batch, outcomes)


def _nothing() -> Future[Recalled]:
    recalled: Future[Recalled] = asyncio.get_running_loop().create_future()
    recalled.set_result(Recalled(0, {}, []))
    return recalled
