"""The stages of one process, from start to stop."""

from __future__ import annotations

import asyncio
import logging
from threading import Thread
from typing import Final, Protocol

from schemas.topics import PRODUCTS_BATCHED
from streams.agents.context import Context, Turns
from streams.agents.handover import Handover
from streams.agents.learning import LearningStage, add_learning_agent
from streams.agents.ranking import RankingStage
from streams.agents.recall import RecallStage
from streams.agents.sifting import ProductRecords
from streams.agents.statistics import StatisticsStage, add_statistics_agent
from streams.candidates_log import CandidatesLog
from streams.faust_app import FlowApp, build_app, changelog_name
from streams.intake import Intake
from streams.learning.reader import LearningReader
from streams.tables import PRODUCT_DIGESTS, RecallTables, StatisticsView
from workers.statistics import NoStatistics

_POLL_SECONDS: Final = 0.05
_log = logging.getLogger(__name__)


class Part(Protocol):
    """One stage: ``failure`` is what ended it before its time, if anything did."""

    name: str

    @property
    def failure(self) -> BaseException | None:
        """What ended it."""

    async def start(self) -> None:
        """Start it; returns when it is ready for work."""

    async def stop(self, seconds: float) -> None:
        """Finish what is under way, within ``seconds``, and stop."""

    def beat(self) -> None:
        """Tell its health; called every half second."""


class FaustPart:
    """A stage that is a Faust application in the running loop."""

    def __init__(self, name: str, app: FlowApp, context: Context) -> None:
        self.name = name
        self._app = app
        self._health = context.health
        self._metrics = context.metrics
        self._turns: tuple[Turns, ...] = ()

    @property
    def failure(self) -> BaseException | None:
        """What crashed the application."""
        if not self._app.crashed:
            return None
        return self._app.crash_reason or RuntimeError("the Faust application crashed")

    async def start(self) -> None:
        """Start; returns when partitions are assigned and tables recovered, or the application crashed."""
        await self._app.start()
        while not self._app.settled and self.failure is None:
            await asyncio.sleep(_POLL_SECONDS)

    def beat(self) -> None:
        """Show that the loop turns, whether a rebalance is under way, and what is known of the tables."""
        if self._app.tables:
            found = self._app.table_partitions
            self._metrics.tables(len(found.broken), found.recovered_records, found.recovery_seconds)
        for turns in self._turns:
            turns.beat_if_idle()
        self._health.condition(f"{self.name}: partitions assigned, tables recovered", self._app.settled)


class RecallPart(FaustPart):
    """Recall, and learning unless it is off.

    Where ``ranking`` is in this process, candidates go straight there, and batches come straight from its intake.
    """

    def __init__(self, context: Context, ranking: RankingPart | None = None) -> None:
        settings = context.settings
        super().__init__("recall", build_app(settings, "recall"), context)
        tables = RecallTables(self._app)
        self._view = StatisticsView(settings) if settings.learning else None
        statistics = self._view or NoStatistics()
        records = changelog_name(settings, PRODUCT_DIGESTS)
        self._progress = context.progress
        self._local = context.local if ranking else None
        self._batched = settings.topic(PRODUCTS_BATCHED)
        self._log = CandidatesLog(settings) if ranking else None
        self._recall = RecallStage(
            context,
            statistics,
            ProductRecords(
                tables.product_digests.of,
                lambda partition: (records, partition) in self._app.table_partitions.broken,
                self._app.table_changes.arrived,
            ),
            Handover(ranking.stage, self._log.undecided) if ranking and self._log else None,
        )
        self._recall.add_to(self._app)
        self._turns = (self._recall.turns,)
        self._learning: LearningStage | None = None
        self._statistics: StatisticsStage | None = None
        self._reader: LearningReader | None = None
        if settings.learning:
            self._learning = LearningStage(
                context, tables.product_contributions.of, self._app.table_changes.arrived
            )
            self._turns += (self._learning.turns,)
            self._reader = LearningReader(settings, context.health)
            add_learning_agent(self._app, self._learning)
            self._statistics = StatisticsStage(
                context, {kind: table.of for kind, table in tables.statistics.items()}
            )
            add_statistics_agent(self._app, self._statistics)

    @property
    def failure(self) -> BaseException | None:
        """What crashed the application, what it learns by, or kept a change of a table from arriving."""
        parts = (self._app.table_changes, self._view, self._reader, self._learning, self._statistics)
        others = (part.failure for part in parts if part)
        return super().failure or next((failure for failure in others if failure), None)

    async def start(self) -> None:
        """Read the statistics, then start: the first decision knows what was learned."""
        if self._view:
            self._view.start()
            while not self._view.caught_up.is_set() and self._view.failure is None:
                await asyncio.sleep(_POLL_SECONDS)
        self._recall.take_from_intake()
        await self._progress.start()
        await super().start()
        self._open_partitions()
        if self._reader:
            self._reader.start()

    def beat(self) -> None:
        """As of any stage; and open to intake of this process what a rebalance has brought."""
        super().beat()
        self._open_partitions()

    def _open_partitions(self) -> None:
        if self._local and self._app.settled:
            for place in self._app.consumer.assignment():
                if place.topic == self._batched:
                    self._local.open(place.partition)

    async def stop(self, seconds: float) -> None:
        """Finish the events under way, then leave the group."""
        if self._reader:
            await asyncio.get_running_loop().run_in_executor(None, self._reader.stop)
        await self._recall.drain(seconds)
        if self._learning:
            await self._learning.drain(seconds)
        await self._app.stop()
        if self._log:
            await asyncio.get_running_loop().run_in_executor(None, self._log.close)
        if self._view:
            await asyncio.get_running_loop().run_in_executor(None, self._view.stop)


class RankingPart(FaustPart):
    """Ranking."""

    def __init__(self, context: Context) -> None:
        super().__init__("ranking", build_app(context.settings, "ranking"), context)
        self.stage = RankingStage(context)
        self._turns = (self.stage.turns,)
        self.stage.add_to(self._app)

    async def stop(self, seconds: float) -> None:
        """Leave the group, and wait for the acknowledgements under way."""
        await self._app.stop()
        await self.stage.drain(seconds)


class IntakePart:
    """Intake, which blocks, in a thread."""

    name = "intake"

    def __init__(self, context: Context) -> None:
        self._intake = Intake(context.settings, context.metrics, context.health, context.local)
        self._stopping = False
        self._error: BaseException | None = None
        self._thread = Thread(target=self._run, name="shelfwise-intake", daemon=True)

    @property
    def failure(self) -> BaseException | None:
        """What ended the thread, unless it was told to end."""
        if self._error is None and not self._stopping and self._thread.ident and not self._thread.is_alive():
            return RuntimeError("intake ended by itself")
        return self._error

    async def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    async def stop(self, seconds: float) -> None:
        """Tell it to stop reading, and wait until what it sent has been completed."""
        self._stopping = True
        self._intake.stop()
        if self._thread.ident:
            await asyncio.get_running_loop().run_in_executor(None, self._thread.join, seconds)

    def beat(self) -> None:
        """Nothing: intake's own loop beats."""

    def _run(self) -> None:
        try:
            self._intake.run()
        except BaseException as error:
            _log.exception("intake failed")
            self._error = error
