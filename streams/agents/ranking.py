"""The ranking agent: batches of candidates in, decisions and completions out."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterable
from dataclasses import dataclass
from datetime import UTC, datetime
from time import perf_counter
from typing import Any, Final

import faust
from confluent_kafka import KafkaException

from schemas.events.batch import CandidateBatch, CandidateProduct, EventOutcome, Outcome
from schemas.events.cloudevents import EventType, headers
from schemas.events.codec import decode, encode
from schemas.events.dead_letter import Headers
from schemas.events.position import SourcePosition, decision_id
from schemas.topics import CANDIDATES, CATEGORIES_ASSIGNED, CATEGORIES_NEEDS_REVIEW, Topic
from streams.agents.completions import Completions
from streams.agents.context import Context, Turns, failure_detail
from streams.agents.rereading import LogPlace, Rereading
from streams.faust_app import raw_topic
from streams.outgoing import Outgoing
from workers.candidates import Candidates
from workers.decisions import decision_event
from workers.packing import check_categories, select, unpack
from workers.ranking.ranking import Verdict

STAGE: Final = "ranking"
REMOVED: Final = "product.removed"
WITHDRAWN: Final = "category.withdrawn"
# Batches whose decisions await the broker's acknowledgement; more would only fill the producer's queue.
PENDING_BATCHES: Final = 8
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Ranked:
    messages: list[Outgoing]
    outcomes: list[EventOutcome]
    timestamps_ms: list[int]


class RankingStage:
    """Handles one batch after the other; acknowledgements are awaited beside the loop."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self.turns = Turns(context.health, STAGE, context.settings.stall_seconds)
        self._slots = asyncio.Semaphore(PENDING_BATCHES)
        self._pending: set[asyncio.Task[None]] = set()
        self._foreign_versions: set[str] = set()
        self._completions = Completions()
        self.rereading = Rereading()

    async def run(self, stream: Any) -> None:
        """The agent's loop. What cannot be done is logged, and not completed: intake sends it again."""
        events: AsyncIterable[Any] = stream.events()
        async for event in events:
            with self.turns.working():
                try:
                    await self.process(event.value, LogPlace.of(event))
                except Exception:
                    _log.exception("ranking of %s failed; it will be sent again", LogPlace.of(event))

    async def process(self, value: bytes | None, place: LogPlace) -> None:
        """Rank one batch and hand its decisions over; raises what keeps it from being completed."""
        started = perf_counter()
        batch = decode(value, CandidateBatch)
        again = self.rereading.possible(place)
        if await self._is_done(batch):
            self._context.metrics.batch_skipped(STAGE)
            return
        if batch.model_version != self._context.bundle.model_version:
            self._refuse(batch.model_version)
            return
        ranked = await self._context.in_compute_thread(self._rank, batch, again)
        await self._slots.acquire()
        try:
            acknowledged = await self._context.sink.submit(ranked.messages)
        except BaseException:
            self._slots.release()
            raise
        self._completions.begin(batch)
        task = asyncio.get_running_loop().create_task(self._complete(batch, ranked, acknowledged))
        self._pending.add(task)
        task.add_done_callback(self._pending.discard)
        self._context.metrics.stage_finished(STAGE, perf_counter() - started, len(batch.products))

    async def drain(self, seconds: float) -> None:
        """Wait, at most so long, until what was handed over is acknowledged and completed."""
        if self._pending:
            await asyncio.wait(self._pending, timeout=seconds)

    async def _is_done(self, batch: CandidateBatch) -> bool:
        """Return whether the batch needs no decision; one whose completion may have been lost gets that again."""
        if self._completions.under_way(batch):
            return True
        completion = self._completions.known(batch)
        if completion is not None:
            await self._context.sink.submit([completion])
        return completion is not None

    async def _complete(self, batch: CandidateBatch, ranked: _Ranked, acknowledged: asyncio.Future[None]) -> None:
        context = self._context
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
            self._slots.release()

    def _refuse(self, version: str) -> None:
        if version not in self._foreign_versions:
            self._foreign_versions.add(version)
            _log.error(
                "candidates of model %s came to a worker with model %s, and are left to be sent again: run one"
                " bundle in all workers",
                version,
                self._context.bundle.model_version,
            )

    def _rank(self, batch: CandidateBatch, again: bool) -> _Ranked:
        """Decide and encode, in the compute thread; ``again`` says that the batch may have been decided before."""
        ranked = _Ranked([], [], [])
        candidates = unpack(batch.candidates)
        check_categories(candidates, len(self._context.bundle.taxonomy))
        stay = [product for product in batch.products if not product.removed]
        if len(stay) != len(candidates):
            raise ValueError(f"batch {batch.batch_id}: candidates of {len(candidates)} of {len(stay)} products")
        now = datetime.now(UTC)
        for product, verdict in zip(stay, self._decide(candidates), strict=True):
            if isinstance(verdict, Exception):
                detail = failure_detail(STAGE, verdict)
                ranked.outcomes.append(EventOutcome(product.offset, Outcome.FAILED, detail))
                continue
            source = SourcePosition(batch.source_topic, batch.source_partition, product.offset)
            ranked.messages.append(self._decision(verdict, product, source, now))
            if product.known or again:
                ranked.messages.append(self._withdrawal(verdict, product, source, now))
            ranked.outcomes.append(EventOutcome(product.offset, verdict.outcome))
            ranked.timestamps_ms.append(product.timestamp_ms)
        for product in batch.products:
            if product.removed:
                source = SourcePosition(batch.source_topic, batch.source_partition, product.offset)
                ranked.messages.extend(self._tombstones(product, source, now))
                ranked.outcomes.append(EventOutcome(product.offset, Outcome.REMOVED))
                ranked.timestamps_ms.append(product.timestamp_ms)
        return ranked

    def _decide(self, candidates: Candidates) -> list[Verdict | Exception]:
        if not len(candidates):
            return []
        ranking = self._context.bundle.ranking
        try:
            return list(ranking.decide(candidates))
        except Exception:
            _log.exception("ranking of %d products at once failed; trying one by one", len(candidates))
        found: list[Verdict | Exception] = []
        for product in range(len(candidates)):
            try:
                found += ranking.decide(select(candidates, product))
            except Exception as error:
                found.append(error)
        return found

    def _decision(
        self, verdict: Verdict, product: CandidateProduct, source: SourcePosition, now: datetime
    ) -> Outgoing:
        bundle = self._context.bundle
        event = decision_event(verdict, product, source, bundle.taxonomy, bundle.model_version)
        topic, _ = _topics(verdict)
        kind = EventType.CATEGORY_NEEDS_REVIEW if verdict.category is None else EventType.CATEGORY_ASSIGNED
        attributes = headers(kind, event.decision_id, subject=product.product_id, time=now)
        return self._outgoing(topic, product, encode(event), attributes)

    def _withdrawal(
        self, verdict: Verdict, product: CandidateProduct, source: SourcePosition, now: datetime
    ) -> Outgoing:
        """Return the tombstone of an earlier decision of the other kind.

        It leaves after the decision that replaces it: a consumer of both topics never finds a product in neither.
        """
        _, other = _topics(verdict)
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
        return Outgoing(self._context.settings.topic(topic), product.product_id.encode(), value, attributes)


def add_ranking_agent(app: faust.App, stage: RankingStage) -> None:
    """Let the application run the stage on its topic."""
    name = stage._context.settings.topic(CANDIDATES)
    app.agent(raw_topic(app, name), name=STAGE, concurrency=1)(stage.run)
    stage.rereading.follow(app, name)


def _topics(verdict: Verdict) -> tuple[Topic, Topic]:
    """Return the topic that the verdict belongs on, and the other."""
    if verdict.category is None:
        return CATEGORIES_NEEDS_REVIEW, CATEGORIES_ASSIGNED
    return CATEGORIES_ASSIGNED, CATEGORIES_NEEDS_REVIEW
