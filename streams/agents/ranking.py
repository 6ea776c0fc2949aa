"""The ranking agent: batches of candidates in, decisions and completions out."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from datetime import UTC, datetime
from time import perf_counter
from typing import Final

import msgspec
from confluent_kafka import KafkaException

from schemas.events.batch import CandidateBatch, CandidateProduct, EventOutcome, Outcome, RecalledBatch
from schemas.events.cloudevents import EventType, headers
from schemas.events.codec import decode, encode
from schemas.events.dead_letter import Headers
from schemas.events.position import SourcePosition, decision_id
from schemas.topics import CANDIDATES, CATEGORIES_ASSIGNED, CATEGORIES_NEEDS_REVIEW, Topic
from streams.agents.batch_stage import BatchStage
from streams.agents.completions import Completions
from streams.agents.context import failure_detail
from streams.agents.model_context import ModelContext
from streams.agents.rereading import LogPlace
from streams.outgoing import Outgoing
from workers.bundle.bundle import Bundle
from workers.candidates import Candidates
from workers.decisions import decision_event
from workers.packing import check_categories, unpack
from workers.ranking.ranking import Prediction, Ranking

STAGE: Final = "ranking"
REMOVED: Final = "product.removed"
WITHDRAWN: Final = "category.withdrawn"
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Ranked:
    """What leaves of a batch that is decided: ``messages`` at once, ``outcomes`` when the broker has these."""

    messages: list[Outgoing]
    outcomes: list[EventOutcome]
    timestamps_ms: list[int]


@dataclass(frozen=True, slots=True)
class _Prepared:
    """A batch to be ranked by its model."""

    batch: RecalledBatch
    bundle: Bundle
    candidates: Candidates


class RankingStage(BatchStage[_Prepared]):
    """Decides batches; acknowledgements are awaited beside the loop."""

    name = STAGE
    topic = CANDIDATES

    def __init__(self, context: ModelContext) -> None:
        super().__init__(context)
        self._foreign_versions: set[str] = set()
        self._completions = Completions()

    async def prepare(self, value: bytes | None, place: LogPlace) -> _Prepared | None:
        """Return what is to be ranked, or ``None`` where the batch needs no decision, or another worker's."""
        batch = decode(value, CandidateBatch)
        if await self._is_done(batch):
            return None
        bundle = self.context.models.of(batch.model_version)
        if bundle is None:
            self._refuse(batch.model_version)
            return None
        candidates = _unpacked(batch, len(bundle.taxonomy))
        return _Prepared(_known(batch) if self.rereading.possible(place) else batch, bundle, candidates)

    async def finish(self, prepared: Sequence[_Prepared]) -> None:
        """Decide, and hand the decisions over."""
        deciding = self.context.compute.submit(self._rank_by_model, prepared)
        batches = [item.batch for item in prepared]
        await self._send(batches, await self._decided(batches, deciding))

    def begin(
        self, bundle: Bundle, batches: Sequence[RecalledBatch], recalled: Future[Candidates]
    ) -> Future[list[Ranked]]:
        """Decide batches as soon as their candidates are ``recalled``, which the compute thread is to do before.

        Nobody can have read these batches before.
        """
        return self.context.compute.submit(lambda: self._rank(bundle, batches, recalled.result()))

    async def take(
        self, batches: Sequence[RecalledBatch], deciding: Future[list[Ranked]], recorded: Awaitable[None]
    ) -> None:
        """Send what comes of batches that were begun.

        No decision leaves before its product is ``recorded``; raises what that raises.
        """
        with self.turns.working():
            is_done = [await self._is_done(batch) for batch in batches]
            ranked = await self._decided(batches, deciding)
            with self.turns.waiting():
                await recorded
            due = [pair for pair, done in zip(zip(batches, ranked, strict=True), is_done, strict=True) if not done]
            await self._send([batch for batch, _ in due], [found for _, found in due])

    async def _decided(self, batches: Sequence[RecalledBatch], deciding: Future[list[Ranked]]) -> list[Ranked]:
        started = perf_counter()
        ranked = await asyncio.wrap_future(deciding)
        self.context.metrics.stage_finished(
            STAGE, perf_counter() - started, sum(len(batch.products) for batch in batches)
        )
        for batch in batches:
            self.context.local.decided(batch)
        return ranked

    async def _send(self, batches: Sequence[RecalledBatch], ranked: Sequence[Ranked]) -> None:
        for batch, decided in zip(batches, ranked, strict=True):
            with self.turns.waiting():
                acknowledged = await self.context.sink.submit(decided.messages)
            self._completions.begin(batch)
            await self.beside(self._complete, batch, decided, acknowledged)

    async def _is_done(self, batch: RecalledBatch) -> bool:
        """Return whether the batch needs no decision; one whose completion may have been lost gets that again."""
        completion = self._completions.known(batch)
        if completion is None and not self._completions.under_way(batch):
            return False
        self.context.metrics.batch_skipped(STAGE)
        if completion is not None:
            with self.turns.waiting():
                await self.context.sink.submit([completion])
        return True

    async def _complete(self, batch: RecalledBatch, ranked: Ranked, acknowledged: asyncio.Future[None]) -> None:
        context = self.context
        completion: Outgoing | None = None
        try:
            await acknowledged
            now = time.time()
            context.metrics.decisions_acknowledged(now - stamp / 1000 for stamp in ranked.timestamps_ms)
            completion = context.completion(batch, batch.settled + ranked.outcomes)
            await context.sink.send_all([completion])
        except KafkaException as error:
            _log.error("batch %s was not acknowledged (%s); it will be sent again", batch.batch_id, error)
        except Exception:
            _log.exception("batch %s could not be completed; it will be sent again", batch.batch_id)
        finally:
            self._completions.end(batch, completion)

    def _refuse(self, version: str) -> None:
        if version not in self._foreign_versions:
            self._foreign_versions.add(version)
            _log.error(
                "candidates of model %s came to a worker with model %s, and are left to be sent again: give all"
                " workers the same bundle",
                version,
                self.context.bundle.model_version,
            )

    def _rank_by_model(self, prepared: Sequence[_Prepared]) -> list[Ranked]:
        """Rank batches of whatever models, those of one together."""
        by_model: dict[str, list[_Prepared]] = {}
        for item in prepared:
            by_model.setdefault(item.bundle.model_version, []).append(item)
        ranked = {
            version: iter(
                self._rank(
                    items[0].bundle,
                    [item.batch for item in items],
                    Candidates.together([item.candidates for item in items]),
                )
            )
            for version, items in by_model.items()
        }
        return [next(ranked[item.bundle.model_version]) for item in prepared]

    def _rank(self, bundle: Bundle, batches: Sequence[RecalledBatch], candidates: Candidates) -> list[Ranked]:
        """Decide and encode, in the compute thread; the candidates are of all batches."""
        predictions = iter(self._decide(bundle.ranking, candidates))
        now = datetime.now(UTC)
        return [self._ranked(bundle, batch, predictions, now) for batch in batches]

    def _ranked(
        self, bundle: Bundle, batch: RecalledBatch, predictions: Iterator[Prediction | Exception], now: datetime
    ) -> Ranked:
        """Return what leaves of a batch; takes the predictions on its products."""
        ranked = Ranked([], [], [])
        for product in batch.products:
            source = SourcePosition(batch.source_topic, batch.source_partition, product.offset)
            if product.removed:
                ranked.messages.extend(self._tombstones(product, source, now))
                ranked.outcomes.append(EventOutcome(product.offset, Outcome.REMOVED))
                ranked.timestamps_ms.append(product.timestamp_ms)
                continue
            prediction = next(predictions)
            if isinstance(prediction, Exception):
                detail = failure_detail(STAGE, prediction)
                ranked.outcomes.append(EventOutcome(product.offset, Outcome.FAILED, detail))
                continue
            ranked.messages.append(self._decision(bundle, prediction, product, source, now))
            if product.known:
                ranked.messages.append(self._withdrawal(prediction, product, source, now))
            ranked.outcomes.append(EventOutcome(product.offset, prediction.outcome))
            ranked.timestamps_ms.append(product.timestamp_ms)
        return ranked

    def _decide(self, ranking: Ranking, candidates: Candidates) -> list[Prediction | Exception]:
        if not len(candidates):
            return []
        try:
            return list(ranking.decide(candidates))
        except Exception:
            _log.exception("ranking of %d products at once failed; trying one by one", len(candidates))
        found: list[Prediction | Exception] = []
        for product in range(len(candidates)):
            try:
                found += ranking.decide(candidates.part(product, product + 1))
            except Exception as error:
                found.append(error)
        return found

    def _decision(
        self,
        bundle: Bundle,
        prediction: Prediction,
        product: CandidateProduct,
        source: SourcePosition,
        now: datetime,
    ) -> Outgoing:
        event = decision_event(prediction, product, source, bundle.taxonomy, bundle.model_version)
        topic, _ = _topics(prediction)
        kind = EventType.CATEGORY_NEEDS_REVIEW if prediction.category is None else EventType.CATEGORY_ASSIGNED
        attributes = headers(kind, event.decision_id, subject=product.product_id, time=now)
        return self._outgoing(topic, product, encode(event), attributes)

    def _withdrawal(
        self, prediction: Prediction, product: CandidateProduct, source: SourcePosition, now: datetime
    ) -> Outgoing:
        """Return the tombstone of an earlier decision of the other kind.

        It leaves after the decision that replaces it: a consumer of both topics never finds a product in neither.
        """
        _, other = _topics(prediction)
        event_id = decision_id(source, WITHDRAWN)
        attributes = headers(EventType.CATEGORY_WITHDRAWN, event_id, subject=product.product_id, time=now)
        return self._outgoing(other, product, None, attributes)

    def _tombstones(self, product: CandidateProduct, source: SourcePosition, now: datetime) -> list[Outgoing]:
        event_id = decision_id(source, REMOVED)
        attributes = headers(EventType.PRODUCT_REMOVED, event_id, subject=product.product_id, time=now)
        return [
            self._outgoing(topic, product, None, attributes)
            for topic in (CATEGORIES_ASSIGNED, CATEGORIES_NEEDS_REVIEW)
        ]

    def _outgoing(
        self, topic: Topic, product: CandidateProduct, value: bytes | None, attributes: Headers
    ) -> Outgoing:
        return Outgoing(self.context.settings.topic(topic), product.product_id.encode(), value, attributes)


def _known(batch: CandidateBatch) -> CandidateBatch:
    """Return the batch as one of which any product may have been decided before."""
    products = [msgspec.structs.replace(product, known=True) for product in batch.products]
    return msgspec.structs.replace(batch, products=products)


def _unpacked(batch: CandidateBatch, nodes: int) -> Candidates:
    """Return the candidates of the batch; raises where they are not those of its products."""
    candidates = unpack(batch.candidates)
    check_categories(candidates, nodes)
    stay = sum(not product.removed for product in batch.products)
    if stay != len(candidates):
        raise ValueError(f"batch {batch.batch_id}: candidates of {len(candidates)} of {stay} products")
    return candidates


def _topics(prediction: Prediction) -> tuple[Topic, Topic]:
    """Return the topic that the prediction belongs on, and the other."""
    if prediction.category is None:
        return CATEGORIES_NEEDS_REVIEW, CATEGORIES_ASSIGNED
    return CATEGORIES_ASSIGNED, CATEGORIES_NEEDS_REVIEW
