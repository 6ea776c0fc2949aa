"""Intake, as a part of a worker."""

from __future__ import annotations

import asyncio
import logging
from threading import Thread

from streams.agents.model_context import ModelContext
from streams.faust_app import Stage
from streams.intake import Intake

_log = logging.getLogger(__name__)


class IntakePart:
    """Intake, in a thread because it blocks."""

    name: Stage = "intake"

    def __init__(self, context: ModelContext) -> None:
        self._intake = Intake(context.settings, context.metrics, context.health, context.local)
        self._stopping = False
        self._error: BaseException | None = None
        self._thread = Thread(target=self._run, name="shelfwise-intake", daemon=True)

    @property
    def failure(self) -> BaseException | None:
        """What ended the thread, unless it was told to stop."""
        if self._error is None and not self._stopping and self._thread.ident and not self._thread.is_alive():
            return RuntimeError("intake ended by itself")
        return self._error

    async def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    async def stop(self, seconds: float) -> None:
        """Tell it to stop reading, and wait at most ``seconds`` until its batches in flight are completed."""
        self._stopping = True
        self._intake.stop()
        if self._thread.ident:
            await asyncio.get_running_loop().run_in_executor(None, self._thread.join, seconds)

    def beat(self) -> None:
        """Do nothing: intake's own loop beats."""

    def _run(self) -> None:
        try:
            self._intake.run()
        except BaseException as error:
            _log.exception("intake failed")
            self._error = error
