"""Starting the process of a model: the first of a worker, and later ones beside it."""

from __future__ import annotations

import logging
from typing import Final

from schemas.errors import InvalidBundle
from streams.metrics import Metrics
from streams.model_process.process import BESIDE_ANOTHER, WITH_STATISTICS, ModelProcess
from streams.settings import Settings

# To finish what was asked of it; nobody awaits much by then.
STOP_SECONDS: Final = 5.0
_log = logging.getLogger(__name__)


class ModelStart:
    """Starts processes of the bundle that the settings name, each time of what lies there then."""

    def __init__(self, settings: Settings, *, with_statistics: bool) -> None:
        """With statistics the models know what is learned from the stream."""
        self._settings = settings
        self._options = [WITH_STATISTICS] if with_statistics else []

    async def first(self) -> ModelProcess:
        """Return a model that is loaded; raises :class:`schemas.errors.ShelfwiseError` where it cannot be used."""
        model = ModelProcess()
        await model.start(self._settings, *self._options)
        return model

    async def later(self) -> ModelProcess:
        """Return one that knows the statistics too, loaded with what others leave of the CPU; raises the same.

        Whoever forced the first one has not seen this one.
        """
        model = ModelProcess()
        settings = self._settings.model_copy(update={"force_rejected_bundle": ""})
        await model.start(settings, *self._options, BESIDE_ANOTHER)
        if self._options:
            await model.statistics_known.wait()
        if model.is_gone:
            raise InvalidBundle(f"bundle {settings.bundle}: its process ended before it had read the statistics")
        return model


def show(model: ModelProcess, metrics: Metrics) -> None:
    """Tell metrics and log which model decides."""
    description = model.description
    metrics.model_loaded(*description)
    _log.info("model %s, gate: %s, taxonomy %s", model.version, description.gate, description.taxonomy_version)
