"""The learning process, as a part of the worker that starts it."""

from __future__ import annotations

from functools import partial
from typing import Final

from prometheus_client import ProcessCollector

from streams.agents.context import Context
from streams.faust_app import Stage
from streams.reporting.process import ReportingProcess
from streams.stages.run import started

_PROGRAM: Final = "streams.learning_process"
# Part of the 5 s that the worker waits beyond a stage's time (streams.stages.run).
_GRACE_SECONDS: Final = 4.0


class LearningProcess:
    """Learning, in a process of its own."""

    name: Stage = "learning"

    def __init__(self, context: Context) -> None:
        self._context = context
        self._process = ReportingProcess(
            self.name, _PROGRAM, {"metrics": context.metrics, "health": context.health}
        )

    @property
    def failure(self) -> BaseException | None:
        """What ended it, if anything did."""
        return self._process.failure

    async def start(self) -> None:
        """Start it; return when it is ready for work, or has ended."""
        # It decides nothing, so there is no gate to force.
        settings = self._context.settings.model_copy(update={"force_rejected_bundle": ""})
        await self._process.start(settings.environment(), partial(self._context.health.holds, started(self.name)))
        registry = self._context.metrics.registry
        ProcessCollector(self.name, lambda: self._process.process_id, registry=registry)

    async def stop(self, seconds: float) -> None:
        """Let it finish its work in progress, within ``seconds``, and stop it."""
        await self._process.stop(seconds + _GRACE_SECONDS)

    def beat(self) -> None:
        """Do nothing: the process reports its own beats."""
