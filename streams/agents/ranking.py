"""The ranking agent: reads batches of candidates, and sends decisions and completions."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Final

import msgspec
from confluent_kafka import KafkaException

from schemas.events.batch import CandidateBatch, RecalledBatch
from schemas.events.codec import decode
from schemas.topics import CANDIDATES
from streams.agents.batch_stage import BatchStage
from streams.agents.completions import Completions
from streams.agents.model_context import ModelContext
from streams.agents.rereading import LogPlace
from streams.model_process.calls import ModelCalls
from streams.model_process.messages import Decided, Ranked, Undecided
from streams.outgoing import Outgoing

STAGE: Final = "ranking"
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Prepared:
    """A batch to rank, and the model to rank it with."""

    batch: CandidateBatch
    model: ModelCalls


class RankingStage(BatchStage[_Prepared]):
    """Decides batches; acknowledgements are awaited outside the loop."""

    name = STAGE
    topic = CANDIDATES

    def __init__(self, context: ModelContext) -> None:
        super().__init__(context)
        self._foreign_versions: set[str] = set()
        self._completions = Completions()

    async def prepare(self, value: bytes | None, place: LogPlace) -> _Prepared | None:
        """Return the batch to rank, or ``None`` if it needs no decision or only another worker can rank it."""
        batch = decode(value, CandidateBatch)
        if await self._is_done(batch):
            return None
        model = self.context.models.of(batch.model_version)
        if model is None:
            self._refuse(batch.model_version)
            return None
        return _Prepared(_known(batch) if self.rereading.possible(place) else batch, model)

    async def finish(self, prepared: Sequence[_Prepared]) -> None:
        """Decide the batches, and send the decisions."""
        await self._send(await self._decided([item.batch for item in prepared], _ranked(prepared)))

    async def take(
        self,
        batches: Sequence[RecalledBatch],
        decided: Awaitable[Decided],
        recorded: Callable[[], Awaitable[None]],
    ) -> None:
        """Send the decisions in ``decided`` for batches that nobody can have read before.

        No decision is sent before its product is recorded: ``recorded`` is awaited last before sending. Raises
        what ``recorded`` and ``decided`` raise.
        """
        with self.heartbeat.working():
            done = {batch.batch_id for batch in batches if await self._is_done(batch)}
            found = await self._decided(batches, decided)
            with self.heartbeat.waiting():
                await recorded()
            await self._send([(batch, ranked) for batch, ranked in found if batch.batch_id not in done])

    async def _decided(
        self, batches: Sequence[RecalledBatch], decided: Awaitable[Decided]
    ) -> list[tuple[RecalledBatch, Ranked]]:
        """Return the decided batches with their decisions, and tell intake that the model has finished them."""
        answer = await decided
        found: list[tuple[RecalledBatch, Ranked]] = []
        for batch, outcome in zip(batches, answer.batches, strict=True):
            if isinstance(outcome, Undecided):
                _log.error("batch %s: %s; it will be sent again", batch.batch_id, outcome.problem)
            else:
                found.append((batch, outcome))
        products = sum(len(batch.products) for batch in batches)
        self.context.metrics.stage_finished(STAGE, answer.seconds, products)
        for batch, _ in found:
            self.context.local.decided(batch)
        return found

    async def _send(self, decided: Sequence[tuple[RecalledBatch, Ranked]]) -> None:
        for batch, ranked in decided:
            with self.heartbeat.waiting():
                acknowledged = await self.context.sink.submit(ranked.messages)
            self._completions.submitted(batch)
            await self.beside(self._complete, batch, ranked, acknowledged)

    async def _is_done(self, batch: RecalledBatch) -> bool:
        """Return whether the batch needs no decision; send its completion again if that is known.

        The completion may have been lost.
        """
        completion = self._completions.known(batch)
        if completion is None and not self._completions.under_way(batch):
            return False
        self.context.metrics.batch_skipped(STAGE)
        if completion is not None:
            with self.heartbeat.waiting():
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
            self._completions.finished(batch, completion)

    def _refuse(self, version: str) -> None:
        if version not in self._foreign_versions:
            self._foreign_versions.add(version)
            _log.error(
                "candidates from model %s reached a worker with model %s and were not ranked; they will be sent"
                " again. Give all workers the same bundle",
                version,
                self.context.models.current.version,
            )


async def _ranked(prepared: Sequence[_Prepared]) -> Decided:
    """Rank batches, those of the same model together."""
    by_model: dict[ModelCalls, list[CandidateBatch]] = {}
    for item in prepared:
        by_model.setdefault(item.model, []).append(item.batch)
    answers = await asyncio.gather(*(model.rank(batches) for model, batches in by_model.items()))
    of_model = {model: iter(answer.batches) for model, answer in zip(by_model, answers, strict=True)}
    outcomes = [next(of_model[item.model]) for item in prepared]
    return Decided(0, outcomes, sum(answer.seconds for answer in answers))


def _known(batch: CandidateBatch) -> CandidateBatch:
    """Return the batch with every product marked as possibly decided before."""
    products = [msgspec.structs.replace(product, known=True) for product in batch.products]
    return msgspec.structs.replace(batch, products=products)
