"""Recall, as a part of a worker."""

from __future__ import annotations

import asyncio

from schemas.topics import PRODUCTS_BATCHED
from streams.agents.handover import Handover
from streams.agents.model_context import ModelContext
from streams.agents.recall import RecallStage
from streams.agents.sifting import ProductRecords
from streams.ranking_lag import RankingLag
from streams.stages.part import FaustPart
from streams.stages.ranking import RankingPart
from streams.tables import PRODUCT_DIGESTS, changelog_name, product_digests


class RecallPart(FaustPart):
    """Recall, as a Faust application.

    If ``ranking`` is in this process, candidates go straight to it, and batches come straight from intake.
    """

    def __init__(self, context: ModelContext, ranking: RankingPart | None) -> None:
        super().__init__("recall", context)
        settings = context.settings
        digests = product_digests(self._app)
        self._caught_up = context.models.current.caught_up
        records = changelog_name(settings, PRODUCT_DIGESTS)
        self._progress = context.progress
        self._local = context.local if ranking else None
        self._batched = settings.topic(PRODUCTS_BATCHED)
        self._ranking_lag = RankingLag(settings) if ranking else None
        self._recall = RecallStage(
            context,
            ProductRecords(
                digests.of,
                lambda partition: (records, partition) in self._app.table_partitions.broken,
                self._app.table_changes.arrived,
            ),
            Handover(ranking.stage, self._ranking_lag.undecided) if ranking and self._ranking_lag else None,
        )
        self._recall.add_to(self._app)
        self._heartbeats = (self._recall.heartbeat,)

    @property
    def failure(self) -> BaseException | None:
        """What crashed the application, or kept a table change from becoming safe."""
        return super().failure or self._app.table_changes.failure

    async def start(self) -> None:
        """Let the model read what was learned, then start: even the first decision must use it."""
        await self._caught_up.wait()
        self._recall.take_from_intake()
        await self._progress.start()
        await super().start()
        self._open_partitions()

    def beat(self) -> None:
        """Report its health as any stage does, and open newly assigned partitions to intake of this process."""
        super().beat()
        self._open_partitions()

    def _open_partitions(self) -> None:
        if self._local and self._app.settled:
            for place in self._app.consumer.assignment():
                if place.topic == self._batched:
                    self._local.open(place.partition)

    async def stop(self, seconds: float) -> None:
        """Finish the events in progress, then leave the group."""
        await self._recall.drain(seconds)
        await self._app.stop()
        if self._ranking_lag:
            await asyncio.get_running_loop().run_in_executor(None, self._ranking_lag.close)
