"""Replace the model that decides with another one, while events flow."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from typing import Final

from schemas.errors import InvalidBundle, ShelfwiseError
from streams.model_process.models import Models
from streams.model_process.process import STOP_SECONDS, ModelProcess
from streams.settings import Settings
from workers.bundle.files import read_manifest

_log = logging.getLogger(__name__)

# Reading a bundle costs some CPU time, and loading one that then fails takes memory for two models.
_LONGEST_PAUSE_SECONDS: Final = 600.0


class BundleWatch:
    """Watches for another bundle at the path of the worker's bundle, and switches to it.

    Ranking uses the new model as soon as its process has loaded it. Recall switches to it
    ``bundle_overlap_seconds`` later: by then all other workers have found it too, so any of them can rank its
    candidates. The previous model is kept for as long again. A bundle that cannot be loaded, or that the gate
    rejects, changes nothing, and is tried again after ever longer pauses, up to ten minutes.
    """

    def __init__(
        self,
        settings: Settings,
        models: Models[ModelProcess],
        start: Callable[[], Awaitable[ModelProcess]],
        show: Callable[[ModelProcess], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """``start`` starts a process with the current bundle, and ``show`` reports which model decides."""
        self._settings = settings
        self._models = models
        self._start = start
        self._show = show
        self._clock = clock
        self._told = ""
        self._refused = ""
        self._pause = 0.0
        self._again_at = 0.0

    async def run(self) -> None:
        """Look again and again, until cancelled; return at once if the settings turn it off."""
        while self._settings.bundle_poll_seconds:
            await asyncio.sleep(self._settings.bundle_poll_seconds)
            try:
                await self.look()
            except Exception:
                _log.exception("could not check for a new bundle in %s", self._settings.bundle)

    async def look(self) -> None:
        """Look once; return when the new model, if there is one, has replaced the old one."""
        try:
            await self._look()
        except ShelfwiseError as error:
            self._tell(f"{error}; still deciding with model {self._models.current.version}")

    async def _look(self) -> None:
        version = await self._version()
        if version == self._models.current.version or (
            version == self._refused and self._clock() < self._again_at
        ):
            return
        try:
            await self._exchange(await self._start())
        except Exception:
            self._pause_for(version)
            raise

    async def _exchange(self, model: ModelProcess) -> None:
        if self._models.of(model.version) is not None:  # the bundle was switched back meanwhile
            await model.stop(STOP_SECONDS)
            return
        overlap = self._settings.bundle_overlap_seconds
        self._models.add(model)
        _log.info("model %s is loaded, and decides in %.0f s", model.version, overlap)
        await asyncio.sleep(overlap)
        if model.is_gone:
            self._models.forget_others()
            raise InvalidBundle(f"model {model.version}: its process ended before it decided anything")
        if await self._is_still_wanted(model):
            self._models.switch_to(model)
            self._show(model)
            await asyncio.sleep(overlap)
        for other in self._models.forget_others():
            await other.stop(STOP_SECONDS)

    async def _is_still_wanted(self, model: ModelProcess) -> bool:
        """Return whether the bundle is still there: an operator may have switched it back in time."""
        try:
            found = await self._version()
        except ShelfwiseError:
            found = "none that can be read"
        if found != model.version:
            _log.info("model %s will not decide: the bundle is %s now", model.version, found)
        return found == model.version

    async def _version(self) -> str:
        loop = asyncio.get_running_loop()
        return (await loop.run_in_executor(None, read_manifest, self._settings.bundle)).model_version

    def _pause_for(self, version: str) -> None:
        """Ignore a bundle for twice as long as the last time."""
        self._pause = 2 * self._pause if version == self._refused else self._settings.bundle_poll_seconds
        self._pause = min(self._pause, _LONGEST_PAUSE_SECONDS)
        self._refused = version
        self._again_at = self._clock() + self._pause

    def _tell(self, problem: str) -> None:
        """Log a problem only if it differs from the last one."""
        if problem != self._told:
            self._told = problem
            _log.error("%s", problem)
