"""Run the parts of one process in one event loop, until it is told to stop."""

from __future__ import annotations

import asyncio
import faulthandler
import logging
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Final, Protocol

from streams.agents.context import Context
from streams.faust_app import STAGES, Stage
from streams.stages.part import Part

_BEAT_SECONDS: Final = 0.5
# This long after the drain the process ends, whatever hangs; an orchestrator should allow the drain and 30 s.
_LAST_SECONDS: Final = 25.0
_STAGE_SECONDS: Final = 5.0
_log = logging.getLogger(__name__)


def started(stage: Stage) -> str:
    """Return the name of the readiness condition that says that a stage has started."""
    return f"{stage} started"


class Failing(Protocol):
    """Something that may fail while the parts run."""

    @property
    def failure(self) -> BaseException | None:
        """What ended it, if anything did."""


class PartsRun:
    """Starts the parts of a process, reports their health, and stops them in the order of the flow."""

    def __init__(
        self,
        context: Context,
        make_parts: Callable[[], Sequence[Part]],
        beside: Mapping[str, Failing] | None = None,
    ) -> None:
        """``make_parts`` is called in the event loop; if it raises an error, the run ends as if a part had failed.

        ``beside`` are other things whose failure ends the run, by name; they are neither started nor stopped here.
        """
        self._context = context
        self._make_parts = make_parts
        self._beside = {"sink": context.sink, **(beside or {})}
        self._drain_seconds = context.settings.drain_seconds
        self._parts: Sequence[Part] = ()

    async def run(self, stop: asyncio.Event) -> int:
        """Run until ``stop`` is set, SIGTERM or SIGINT; return the exit code: 0, or 1 if a part failed."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop.set)
        sink = self._context.sink
        beating = loop.create_task(self._beat())
        starting = loop.create_task(self._start())
        stopping = loop.create_task(stop.wait())
        watching = loop.create_task(self._failed({"start": starting, "beat": beating}))
        await asyncio.wait({stopping, watching}, return_when=asyncio.FIRST_COMPLETED)
        failed = watching.done()
        _log.info("stopping")
        # Faust waits forever for an unavailable broker, and Python for threads and tasks that hang. A thread in C
        # ends the process in any case, and prints where it hung: the next owner reads what is not committed.
        faulthandler.dump_traceback_later(self._drain_seconds + _LAST_SECONDS, exit=True)
        starting.cancel()
        watching.cancel()
        await self._stop(failed)
        beating.cancel()
        stopping.cancel()
        left = await loop.run_in_executor(None, sink.close, 1.0 if failed else self._drain_seconds)
        if left:
            _log.warning("%d messages were not acknowledged; their events will be sent again", left)
        _log.info("stopped")
        return 1 if failed else 0

    async def _start(self) -> None:
        """Start all parts; no decision waits for learning, whose tables may take long to recover."""
        self._parts = self._make_parts()
        await asyncio.gather(self._start_deciding(), self._start_stages("learning"))

    async def _start_deciding(self) -> None:
        """Start intake last, so that it sends nothing before the other stages are ready."""
        await self._start_stages("recall", "ranking")
        await self._start_stages("intake")

    async def _start_stages(self, *stages: Stage) -> None:
        """Start the parts that are these stages, at the same time."""
        await asyncio.gather(*(self._start_part(part) for part in self._parts if part.name in stages))

    async def _start_part(self, part: Part) -> None:
        await part.start()
        if part.failure is None:
            self._context.health.condition(started(part.name), ready=True)
            _log.info("%s started", part.name)

    async def _stop(self, failed: bool) -> None:
        """Stop in the order of the flow, so that what intake has sent is completed."""
        deadline = time.monotonic() + (1.0 if failed else self._drain_seconds)
        for part in sorted(self._parts, key=lambda part: STAGES.index(part.name)):
            left = max(deadline - time.monotonic(), 1.0)
            # Not wait_for, which would wait for a cancelled task that does not end.
            stopping = asyncio.ensure_future(part.stop(left))
            await asyncio.wait([stopping], timeout=left + _STAGE_SECONDS)
            if not stopping.done():
                _log.error("%s did not stop within %.0f s and was abandoned", part.name, left + _STAGE_SECONDS)
            elif (error := stopping.exception()) is not None:
                _log.error("%s did not stop cleanly", part.name, exc_info=error)

    async def _beat(self) -> None:
        while True:
            for part in self._parts:
                part.beat()
            await asyncio.sleep(_BEAT_SECONDS)

    async def _failed(self, tasks: Mapping[str, asyncio.Task[None]]) -> None:
        """Return when a part or one of our own tasks has failed, after logging it."""
        while True:
            failures = [(name, each.failure) for name, each in self._beside.items()]
            failures += [(part.name, part.failure) for part in self._parts]
            failures += [(name, task.exception()) for name, task in tasks.items() if _ended(task)]
            for name, failure in failures:
                if failure is not None:
                    _log.error("%s failed: %s: %s", name, type(failure).__name__, failure)
                    return
            await asyncio.sleep(_BEAT_SECONDS)


def _ended(task: asyncio.Task[None]) -> bool:
    return task.done() and not task.cancelled()
