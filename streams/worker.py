"""One worker process: the stages it was asked for, in one event loop, until it is told to stop."""

from __future__ import annotations

import asyncio
import faulthandler
import gc
import logging
import signal
import time
from collections.abc import Callable, Collection
from contextlib import ExitStack
from functools import partial
from typing import Final

from schemas.errors import ShelfwiseError
from streams.agents.context import Context
from streams.compute_thread import compute_thread
from streams.faust_app import Stage
from streams.health import Health
from streams.kafka.topics import create_topics
from streams.listener import Listener
from streams.metrics import Metrics
from streams.models import Models, ModelWatch, load_at_start, show
from streams.progress import SourceProgress
from streams.settings import Settings
from streams.sinks import Sink
from streams.stages import IntakePart, Part, RankingPart, RecallPart
from streams.tables import changelog_topics

STAGES: Final[tuple[Stage, ...]] = ("recall", "ranking", "intake")
_BEAT_SECONDS: Final = 0.5
# Beyond the drain: then the process ends, whatever hangs. An orchestrator is told to wait 30 s beyond it.
_LAST_SECONDS: Final = 25.0
_STAGE_SECONDS: Final = 5.0
# Most objects live until their batch is completed: after each 700, as by default, the collector looked at
# thousands of these 40 times a second, which took 1.5 % of the time.
_OBJECTS_BEFORE_COLLECTION: Final = 5_000
_MODEL_LOADED: Final = "model loaded"
_log = logging.getLogger(__name__)


def run_worker(settings: Settings, stages: Collection[Stage] = STAGES) -> int:
    """Run the stages until SIGTERM or SIGINT; return the exit code: 0, or 1 where a part failed.

    All stages live in one process: two Faust applications share an event loop, and a single thread does the
    model's work. Raises :class:`schemas.errors.ShelfwiseError` where model, address or topics cannot be used.
    """
    gc.set_threshold(_OBJECTS_BEFORE_COLLECTION)
    wanted = tuple(stage for stage in STAGES if not stages or stage in stages)
    health = Health([_MODEL_LOADED, *(f"{stage} started" for stage in wanted)])
    metrics = Metrics()
    with ExitStack() as stack:
        listener = stack.enter_context(
            Listener(health, metrics.registry, settings.metrics_host, settings.metrics_port)
        )
        _log.info("metrics at %s/metrics; stages: %s", listener.url, ", ".join(wanted))
        _create_topics(settings)
        models = _load(settings, metrics, health)
        compute = stack.enter_context(compute_thread())
        progress = SourceProgress(settings)
        stack.callback(progress.close)

        def make_context() -> Context:
            # The sink belongs to the loop that runs.
            return Context(settings, models, compute, Sink(settings.kafka), metrics, health, progress)

        return asyncio.run(_Worker(settings, make_context, wanted).run())


class _Worker:
    def __init__(self, settings: Settings, make_context: Callable[[], Context], stages: tuple[Stage, ...]) -> None:
        self._make_context = make_context
        self._stages = stages
        self._drain_seconds = settings.drain_seconds
        self._parts: list[Part] = []

    async def run(self) -> int:
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop.set)
        context = self._make_context()
        sink = context.sink
        beating = loop.create_task(self._beat())
        started = loop.create_task(self._start(context))
        stopping = loop.create_task(stop.wait())
        watching = loop.create_task(self._failed(sink, started))
        looking = loop.create_task(self._watch_model(context))
        await asyncio.wait({stopping, watching}, return_when=asyncio.FIRST_COMPLETED)
        failed = watching.done()
        _log.info("stopping")
        # Faust waits without end for a broker that is away, and Python for threads and tasks that hang. A thread
        # in C ends us in any case, and says where: what is not committed is read again by the next owner.
        faulthandler.dump_traceback_later(self._drain_seconds + _LAST_SECONDS, exit=True)
        started.cancel()
        watching.cancel()
        looking.cancel()
        await self._stop(failed)
        beating.cancel()
        stopping.cancel()
        left = await loop.run_in_executor(None, sink.close, 1.0 if failed else self._drain_seconds)
        if left:
            _log.warning("%d messages were not acknowledged; their events will be sent again", left)
        _log.info("stopped")
        return 1 if failed else 0

    async def _start(self, context: Context) -> None:
        """Start intake last: it sends nothing before those that do the work are ready."""
        self._parts = _parts(context, self._stages)
        intake = [part for part in self._parts if part.name == "intake"]
        await asyncio.gather(*(self._start_part(part, context) for part in self._parts if part not in intake))
        for part in intake:
            await self._start_part(part, context)

    async def _start_part(self, part: Part, context: Context) -> None:
        await part.start()
        if part.failure is None:
            context.health.condition(f"{part.name} started", ready=True)
            _log.info("%s started", part.name)

    async def _watch_model(self, context: Context) -> None:
        if context.settings.bundle_poll_seconds:
            await ModelWatch(context.settings, context.models, context.metrics).run()

    async def _stop(self, failed: bool) -> None:
        """Stop in the order of the flow, so that what intake has sent is completed."""
        deadline = time.monotonic() + (1.0 if failed else self._drain_seconds)
        for part in sorted(self._parts, key=lambda part: ("intake", "recall", "ranking").index(part.name)):
            left = max(deadline - time.monotonic(), 1.0)
            # Not wait_for: it would wait for a cancelled task that does not end.
            stopping = asyncio.ensure_future(part.stop(left))
            await asyncio.wait([stopping], timeout=left + _STAGE_SECONDS)
            if not stopping.done():
                _log.error("%s did not stop within %.0f s, and is left behind", part.name, left + _STAGE_SECONDS)
            elif (error := stopping.exception()) is not None:
                _log.error("%s did not stop cleanly", part.name, exc_info=error)

    async def _beat(self) -> None:
        while True:
            for part in self._parts:
                part.beat()
            await asyncio.sleep(_BEAT_SECONDS)

    async def _failed(self, sink: Sink, started: asyncio.Task[None]) -> None:
        """Return when a part has failed, having said so."""
        while True:
            failures = [("sink", sink.failure), *((part.name, part.failure) for part in self._parts)]
            if started.done() and not started.cancelled():
                failures.append(("start", started.exception()))
            for name, failure in failures:
                if failure is not None:
                    _log.error("%s failed: %s: %s", name, type(failure).__name__, failure)
                    return
            await asyncio.sleep(_BEAT_SECONDS)


def _load(settings: Settings, metrics: Metrics, health: Health) -> Models:
    bundle = load_at_start(settings)
    show(bundle, metrics)
    health.condition(_MODEL_LOADED, ready=True)
    return Models(bundle)


def _parts(context: Context, stages: tuple[Stage, ...]) -> list[Part]:
    ranking = RankingPart(context) if "ranking" in stages else None
    recall = RecallPart(context, ranking) if "recall" in stages else None
    intake = IntakePart(context) if "intake" in stages else None
    return [part for part in (recall, ranking, intake) if part is not None]


def _create_topics(settings: Settings) -> None:
    if not settings.kafka.bootstrap_servers:
        raise ShelfwiseError("no Kafka is named; set SHELFWISE_KAFKA__BOOTSTRAP_SERVERS=host:port")
    create = partial(
        create_topics,
        settings.kafka,
        partitions=settings.partitions,
        replication_factor=settings.replication_factor,
    )
    report = create(prefix=settings.topic_prefix)
    changelogs = create(topics=changelog_topics(settings))
    for difference in report.differences + changelogs.differences:
        _log.warning("%s", difference)
    if changelogs.uncompacted:
        raise ShelfwiseError(
            f"{', '.join(changelogs.uncompacted)} would forget what the tables hold: set its cleanup.policy to"
            " compact, and then see docs/state.md, A changelog that was cut"
        )
