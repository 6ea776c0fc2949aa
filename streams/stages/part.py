"""The interface of a stage to the worker, and the base of the stages that are Faust applications."""

from __future__ import annotations

import asyncio
from typing import Final, Protocol

from schemas.errors import ShelfwiseError
from streams.agents.context import Context, LoopHeartbeat
from streams.faust_app import Stage, build_app

POLL_SECONDS: Final = 0.05
# The beginning of RocksDB's message about damaged files.
_DAMAGED: Final = "Corruption"


class Part(Protocol):
    """One stage of a worker."""

    name: Stage

    @property
    def failure(self) -> BaseException | None:
        """What ended it early, if anything did."""

    async def start(self) -> None:
        """Start it; return when it is ready for work."""

    async def stop(self, seconds: float) -> None:
        """Finish the work in progress, within ``seconds``, and stop."""

    def beat(self) -> None:
        """Report its health; called every half second."""


class FaustPart:
    """A stage that is a Faust application in the running loop."""

    def __init__(self, name: Stage, context: Context) -> None:
        self.name = name
        self._app = build_app(context.settings, name)
        self._health = context.health
        self._metrics = context.metrics
        self._heartbeats: tuple[LoopHeartbeat, ...] = ()

    @property
    def failure(self) -> BaseException | None:
        """What crashed the application, took its tables away, or keeps it out of its group, if anything does."""
        if self._app.table_directory_gone:
            return ShelfwiseError(
                f"the tables' directory {self._app.table_directory} was removed or replaced under this worker;"
                " start it again: it reads the tables from their changelogs"
            )
        if not self._app.crashed:
            return self._app.refusal
        reason = self._app.crash_reason or RuntimeError("the Faust application crashed")
        if not str(reason).startswith(_DAMAGED):
            return reason
        return ShelfwiseError(
            f"a table on disk is damaged ({reason}): delete {self._app.table_directory}, and start the worker"
            " again; it reads the tables from their changelogs"
        )

    async def start(self) -> None:
        """Start; return when partitions are assigned and tables recovered, or the application has crashed."""
        await self._app.start()
        while not self._app.settled and self.failure is None:
            await asyncio.sleep(POLL_SECONDS)

    def beat(self) -> None:
        """Report that the loop runs, the state of the tables, what was deleted unread, and if all is settled."""
        if self._app.tables:
            found = self._app.table_partitions
            self._metrics.tables(self.name, len(found.broken), found.recovered_records, found.recovery_seconds)
        for heartbeat in self._heartbeats:
            heartbeat.beat_if_idle()
        for lost in self._app.lost.values():
            lost.turn()
        self._health.condition(f"{self.name}: partitions assigned, tables recovered", self._app.settled)
