"""The process that learns, as a part of the worker that starts it."""

from __future__ import annotations

import asyncio
import logging
import sys
from contextlib import suppress
from typing import Any, Final, cast

from prometheus_client import ProcessCollector

from streams.agents.context import Context
from streams.child_process import our_code
from streams.faust_app import Stage
from streams.learning_process.report import Target, repeat
from streams.stages.run import started

PROGRAM: Final = "streams.learning_process"
_METRICS_PREFIX: Final = "learning"
# Of those that the worker waits for a stage beyond its time.
_GRACE_SECONDS: Final = 4.0
_log = logging.getLogger(__name__)


class LearningProcess:
    """Learning, in a process that ends with this one, however this one ends.

    It is told to stop by the end of its input, has the worker's settings from its environment, and logs to the
    same place.
    """

    name: Stage = "learning"

    def __init__(self, context: Context) -> None:
        self._settings = context.settings
        self._registry = context.metrics.registry
        self._health = context.health
        self._targets: dict[Target, Any] = {"metrics": context.metrics, "health": context.health}
        self._ready = asyncio.Event()
        self._process: asyncio.subprocess.Process | None = None
        self._following: asyncio.Task[None] | None = None
        self._stopping = False
        self.failure: BaseException | None = None

    async def start(self) -> None:
        """Start it; returns when it is ready for work, or has ended."""
        process = self._process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            PROGRAM,
            *(["--debug"] if _log.isEnabledFor(logging.DEBUG) else []),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            env=self._environment(),
            # Ctrl-C in a terminal is for the worker to handle, in order.
            start_new_session=True,
        )
        ProcessCollector(_METRICS_PREFIX, lambda: process.pid, registry=self._registry)
        self._following = asyncio.ensure_future(self._follow(process))
        await self._ready.wait()

    def _environment(self) -> dict[str, str]:
        # It decides nothing, and asks no gate.
        return self._settings.model_copy(update={"force_rejected_bundle": ""}).environment() | our_code()

    async def stop(self, seconds: float) -> None:
        """Let it finish what is under way, within ``seconds``."""
        self._stopping = True
        if self._process is None or self._following is None:
            return
        if self._process.stdin is not None:
            self._process.stdin.close()
        await asyncio.wait([self._following], timeout=seconds + _GRACE_SECONDS)
        if not self._following.done():
            _log.error("learning did not stop within %.0f s, and is killed", seconds + _GRACE_SECONDS)
            with suppress(ProcessLookupError):
                self._process.kill()
            await self._following
        elif self._process.returncode:
            _log.error("learning ended with status %d", self._process.returncode)

    def beat(self) -> None:
        """Nothing: it beats by its report."""

    async def _follow(self, process: asyncio.subprocess.Process) -> None:
        """Repeat what it tells until it ends."""
        try:
            async for line in cast("asyncio.StreamReader", process.stdout):
                repeat(line, self._targets)
                if self._health.holds(started(self.name)):
                    self._ready.set()
        except Exception as error:
            _log.exception("what learning tells cannot be repeated")
            self.failure = error
        status = await process.wait()
        if not self._stopping and self.failure is None:
            self.failure = RuntimeError(f"the process that learns ended with status {status}")
        self._ready.set()
