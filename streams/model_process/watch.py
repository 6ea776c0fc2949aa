"""Another model takes the place of the one that decides, while events flow."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

from schemas.errors import InvalidBundle, ShelfwiseError
from streams.model_process.models import Models
from streams.model_process.process import STOP_SECONDS, ModelProcess
from streams.settings import Settings
from workers.bundle.files import read_manifest

_log = logging.getLogger(__name__)


class ModelWatch:
    """Looks whether another bundle lies where the worker's came from, and lets it decide.

    Ranking knows it as soon as its process has loaded it; recall turns to it ``bundle_overlap_seconds`` later,
    when all other workers have found it too, whichever of them its candidates come to. The model before is known
    as long again. One that cannot be loaded, or that the gate is against, changes nothing.
    """

    def __init__(
        self,
        settings: Settings,
        models: Models[ModelProcess],
        start: Callable[[], Awaitable[ModelProcess]],
        show: Callable[[ModelProcess], None],
    ) -> None:
        """``start`` starts the process of what lies there, and ``show`` tells people which model decides."""
        self._settings = settings
        self._models = models
        self._start = start
        self._show = show
        self._told = ""

    async def run(self) -> None:
        """Look again and again, until cancelled; not at all where the settings say so."""
        while self._settings.bundle_poll_seconds:
            await asyncio.sleep(self._settings.bundle_poll_seconds)
            try:
                await self.look()
            except Exception:
                _log.exception("the bundle in %s cannot be looked at", self._settings.bundle)

    async def look(self) -> None:
        """Look once; returns when the new model, if there is one, has taken the place of the old."""
        try:
            await self._look()
        except ShelfwiseError as error:
            self._tell(f"{error}; model {self._models.current.version} goes on")

    async def _look(self) -> None:
        loop = asyncio.get_running_loop()
        manifest = await loop.run_in_executor(None, read_manifest, self._settings.bundle)
        if manifest.model_version == self._models.current.version:
            return
        model = await self._start()
        if self._models.of(model.version) is not None:  # the bundle was turned back meanwhile
            await model.stop(STOP_SECONDS)
            return
        overlap = self._settings.bundle_overlap_seconds
        self._models.add(model)
        _log.info("model %s is loaded, and decides in %.0f s", model.version, overlap)
        await asyncio.sleep(overlap)
        if model.is_gone:
            self._models.forget_others()
            raise InvalidBundle(f"model {model.version}: its process ended before it decided anything")
        self._models.turn_to(model)
        self._show(model)
        await asyncio.sleep(overlap)
        for other in self._models.forget_others():
            await other.stop(STOP_SECONDS)

    def _tell(self, problem: str) -> None:
        """Log a problem once, however often it is met."""
        if problem != self._told:
            self._told = problem
            _log.error("%s", problem)
