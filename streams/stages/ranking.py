"""Ranking, as a part of a worker."""

from __future__ import annotations

from streams.agents.model_context import ModelContext
from streams.agents.ranking import RankingStage
from streams.stages.part import FaustPart


class RankingPart(FaustPart):
    """Ranking, as a Faust application."""

    def __init__(self, context: ModelContext) -> None:
        super().__init__("ranking", context)
        self.stage = RankingStage(context)
        self._caught_up = context.models.current.caught_up
        self._heartbeats = (self.stage.heartbeat,)
        self.stage.add_to(self._app)

    async def start(self) -> None:
        """Let the model read what was learned, then start: even the first decision must respect verdicts."""
        await self._caught_up.wait()
        await super().start()

    async def stop(self, seconds: float) -> None:
        """Leave the group, and wait for the acknowledgements in progress."""
        await self._app.stop()
        await self.stage.drain(seconds)
