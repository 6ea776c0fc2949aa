"""Run the deciding stages with their model process, and the learning process beside them."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping, Sequence
from contextlib import closing
from functools import partial
from typing import Final

from prometheus_client import ProcessCollector

from streams.agents.model_context import ModelContext
from streams.faust_app import Stage
from streams.health import Health
from streams.learning_process.part import LearningProcess
from streams.metrics import Metrics
from streams.model_process.bundle_watch import BundleWatch
from streams.model_process.models import Models
from streams.model_process.options import WITH_STATISTICS, WITH_VERDICTS
from streams.model_process.process import STOP_SECONDS
from streams.model_process.start import ModelStarter, show
from streams.progress import SourceProgress
from streams.settings import Settings
from streams.sinks import Sink
from streams.stages.intake import IntakePart
from streams.stages.part import Part
from streams.stages.ranking import RankingPart
from streams.stages.recall import RecallPart
from streams.stages.run import Failing, PartsRun

_MODEL_LOADED: Final = "model loaded"


async def decide(
    settings: Settings,
    metrics: Metrics,
    health: Health,
    stages: Collection[Stage],
    beside: Mapping[str, Failing],
) -> int:
    """Run the stages until SIGTERM or SIGINT; return the exit code: 0, or 1 if a part failed.

    All stages except learning run in this process, and two Faust applications share its event loop. ``beside`` is
    that of :class:`streams.stages.run.PartsRun`. Raises :class:`schemas.errors.ShelfwiseError` if the model cannot
    be used.
    """
    health.condition(_MODEL_LOADED, ready=False)
    starter = ModelStarter(settings, _learned(settings, stages))
    models = Models(await starter.first())
    watch = BundleWatch(settings, models, starter.replacement, partial(show, metrics=metrics))
    watching = asyncio.ensure_future(watch.run())
    try:
        show(models.current, metrics)
        ProcessCollector("model", lambda: models.current.process_id, registry=metrics.registry)
        health.condition(_MODEL_LOADED, ready=True)
        with closing(SourceProgress(settings)) as progress:
            context = ModelContext(settings, Sink(settings.kafka), metrics, health, models, progress)
            parts = PartsRun(context, partial(_parts, context, stages), {"model": models, **beside})
            return await parts.run(asyncio.Event())
    finally:
        watching.cancel()
        await asyncio.wait([watching])
        await asyncio.gather(*(model.stop(STOP_SECONDS) for model in models.all()), return_exceptions=True)


def _learned(settings: Settings, stages: Collection[Stage]) -> Sequence[str]:
    """Return the model's options for what was learned: recall needs statistics, ranking needs verdicts."""
    wanted: dict[Stage, str] = {"recall": WITH_STATISTICS, "ranking": WITH_VERDICTS}
    return [option for stage, option in wanted.items() if settings.learning and stage in stages]


def _parts(context: ModelContext, stages: Collection[Stage]) -> Sequence[Part]:
    ranking = RankingPart(context) if "ranking" in stages else None
    recall = RecallPart(context, ranking) if "recall" in stages else None
    intake = IntakePart(context) if "intake" in stages else None
    learning = LearningProcess(context) if "learning" in stages else None
    return [part for part in (recall, ranking, intake, learning) if part is not None]
