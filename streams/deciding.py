"""The stages that decide, with the model that they share, and the process that learns beside them."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Sequence
from contextlib import ExitStack
from functools import partial
from typing import Final

from streams.agents.model_context import ModelContext
from streams.compute_thread import compute_thread
from streams.faust_app import Stage
from streams.health import Health
from streams.learning_process.part import LearningProcess
from streams.metrics import Metrics
from streams.models import Models, ModelWatch, load_at_start, show
from streams.progress import SourceProgress
from streams.settings import Settings
from streams.sinks import Sink
from streams.stages.intake import IntakePart
from streams.stages.part import Part
from streams.stages.ranking import RankingPart
from streams.stages.recall import RecallPart
from streams.stages.run import PartsRun

_MODEL_LOADED: Final = "model loaded"


def run_deciding(settings: Settings, metrics: Metrics, health: Health, stages: Collection[Stage]) -> int:
    """Run the stages until SIGTERM or SIGINT; return the exit code: 0, or 1 where a part failed.

    All but learning live in this process: two Faust applications share an event loop, and a single thread does the
    model's work. Raises :class:`schemas.errors.ShelfwiseError` where the model cannot be used.
    """
    health.condition(_MODEL_LOADED, ready=False)
    with ExitStack() as stack:
        bundle = load_at_start(settings)
        show(bundle, metrics)
        health.condition(_MODEL_LOADED, ready=True)
        compute = stack.enter_context(compute_thread())
        progress = SourceProgress(settings)
        stack.callback(progress.close)

        async def decide() -> int:
            # The sink belongs to the loop that runs.
            sink = Sink(settings.kafka)
            context = ModelContext(settings, sink, metrics, health, Models(bundle), compute, progress)
            watch = ModelWatch(settings, context.models, metrics).run if settings.bundle_poll_seconds else None
            return await PartsRun(context, partial(_parts, context, stages), watch).run(asyncio.Event())

        return asyncio.run(decide())


def _parts(context: ModelContext, stages: Collection[Stage]) -> Sequence[Part]:
    ranking = RankingPart(context) if "ranking" in stages else None
    recall = RecallPart(context, ranking) if "recall" in stages else None
    intake = IntakePart(context) if "intake" in stages else None
    learning = LearningProcess(context) if "learning" in stages else None
    return [part for part in (recall, ranking, intake, learning) if part is not None]
