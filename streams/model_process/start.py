"""Start model processes: the first of a worker, and replacements that are loaded beside it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence

from schemas.errors import InvalidBundle
from streams.metrics import Metrics
from streams.model_process.options import BESIDE_ANOTHER
from streams.model_process.process import STOP_SECONDS, ModelProcess
from streams.settings import Settings
from workers.bundle.files import verify
from workers.bundle.release import Admission, admit

_log = logging.getLogger(__name__)


class ModelStarter:
    """Starts model processes, each with the bundle that is then at the path in the settings."""

    def __init__(self, settings: Settings, learned: Sequence[str]) -> None:
        """``learned`` are the options that say what the models read of what was learned from the stream."""
        self._settings = settings
        self._options = learned

    async def first(self) -> ModelProcess:
        """Return a loaded model; raises :class:`schemas.errors.ShelfwiseError` if it cannot be used."""
        model = ModelProcess()
        await model.start(self._settings, *self._options)
        return model

    async def replacement(self) -> ModelProcess:
        """Return a loaded model that also knows what was learned; raises the same as :meth:`first`.

        It is loaded at a lower priority. The gate cannot be forced for it, because whoever forced the first model
        has not seen this one.
        """
        settings = self._settings.model_copy(update={"force_rejected_bundle": ""})
        await asyncio.get_running_loop().run_in_executor(None, _check, settings)
        model = ModelProcess()
        await model.start(settings, *self._options, BESIDE_ANOTHER)
        try:
            await model.caught_up.wait()
            if model.is_gone:
                raise InvalidBundle(f"bundle {settings.bundle}: its process ended before it knew what was learned")
        except BaseException:
            await model.stop(STOP_SECONDS)
            raise
        return model


def _check(settings: Settings) -> None:
    """Raise an error if the bundle cannot be loaded, as far as that can be found out without a process.

    Starting a process takes a second.
    """
    directory = settings.bundle.resolve()
    admit(directory, verify(directory), Admission(require_gate=settings.require_gate))


def show(model: ModelProcess, metrics: Metrics) -> None:
    """Show in metrics and the log which model decides."""
    description = model.description
    metrics.model_loaded(*description)
    _log.info("model %s, gate: %s, taxonomy %s", model.version, description.gate, description.taxonomy_version)
