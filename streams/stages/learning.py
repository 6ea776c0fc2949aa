"""Learning, as a part of a worker: the reader, the agents, and the tables of what was learned."""

from __future__ import annotations

import asyncio
from typing import Final

from schemas.topics import LEARNING_BATCHED, STATISTICS_CHANGED
from streams.agents.context import Context
from streams.agents.learning import LearningStage, add_learning_agent
from streams.agents.statistics import StatisticsStage, add_statistics_agent
from streams.learning.categories import Categories
from streams.learning.decide_again import DecideAgain
from streams.learning.reader import LearningReader
from streams.lost import LostMessages
from streams.stages.part import FaustPart
from streams.tables import LearningTables

_LOST: Final = (
    "weights of brands, stores and tags stay wrong until they are rebuilt as docs/state.md tells, A truncated"
    " changelog"
)


class LearningPart(FaustPart):
    """Learning, in this process."""

    def __init__(self, context: Context, categories: Categories) -> None:
        super().__init__("learning", context)
        settings = context.settings
        tables = LearningTables(self._app)
        self._again = DecideAgain(context)
        self._stage = LearningStage(
            context,
            tables.product_contributions.of,
            categories.has,
            self._app.table_changes.arrived,
            self._again.publish,
        )
        self._statistics = StatisticsStage(context, {kind: table.of for kind, table in tables.statistics.items()})
        self._reader = LearningReader(settings, context.health, context.metrics)
        self._app.lost = {
            topic: LostMessages(settings.kafka, topic, context.metrics, _LOST)
            for topic in map(settings.topic, (LEARNING_BATCHED, STATISTICS_CHANGED))
        }
        add_learning_agent(self._app, self._stage)
        add_statistics_agent(self._app, self._statistics)
        self._heartbeats = (self._stage.heartbeat,)

    @property
    def failure(self) -> BaseException | None:
        """What crashed the application, ended its reader or stages, or kept a table change from arriving."""
        parts = (self._app.table_changes, self._reader, self._stage, self._statistics)
        return super().failure or next((part.failure for part in parts if part.failure), None)

    async def start(self) -> None:
        """Start the application, then start reading what it is to learn from."""
        await super().start()
        self._reader.start()

    async def stop(self, seconds: float) -> None:
        """Finish the work in progress, then leave the group."""
        await asyncio.get_running_loop().run_in_executor(None, self._reader.stop)
        await self._stage.drain(seconds)
        self._again.stop()
        await self._app.stop()
