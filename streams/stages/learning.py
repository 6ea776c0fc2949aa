"""Learning, as a part of a worker: the reader, the agents, and the tables of what was learned."""

from __future__ import annotations

import asyncio

from streams.agents.context import Context
from streams.agents.learning import LearningStage, add_learning_agent
from streams.agents.statistics import StatisticsStage, add_statistics_agent
from streams.learning.categories import Categories
from streams.learning.lost import report_lost
from streams.learning.reader import LearningReader
from streams.stages.part import FaustPart
from streams.tables import LearningTables


class LearningPart(FaustPart):
    """Learning, in this process."""

    def __init__(self, context: Context, categories: Categories) -> None:
        super().__init__("learning", context)
        settings = self._settings = context.settings
        tables = LearningTables(self._app)
        self._stage = LearningStage(
            context,
            tables.product_contributions.of,
            categories.has,
            self._app.table_changes.arrived,
        )
        self._statistics = StatisticsStage(context, {kind: table.of for kind, table in tables.statistics.items()})
        self._reader = LearningReader(settings, context.health, context.metrics)
        add_learning_agent(self._app, self._stage)
        add_statistics_agent(self._app, self._statistics)
        self._turns = (self._stage.turns,)

    @property
    def failure(self) -> BaseException | None:
        """What crashed the application, ended its reader or stages, or kept a table change from arriving."""
        parts = (self._app.table_changes, self._reader, self._stage, self._statistics)
        return super().failure or next((part.failure for part in parts if part.failure), None)

    async def start(self) -> None:
        """Report what was lost, start the application, then start reading what it is to learn from."""
        await asyncio.get_running_loop().run_in_executor(None, report_lost, self._settings, self._metrics)
        await super().start()
        self._reader.start()

    async def stop(self, seconds: float) -> None:
        """Finish the work in progress, then leave the group."""
        await asyncio.get_running_loop().run_in_executor(None, self._reader.stop)
        await self._stage.drain(seconds)
        await self._app.stop()
