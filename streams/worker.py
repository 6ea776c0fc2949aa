"""Run one worker: the stages that it was asked for, until it is told to stop."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Collection, Mapping
from contextlib import ExitStack, closing
from dataclasses import replace

from schemas.errors import InvalidSettings, ShelfwiseError
from schemas.topics import PRODUCTS_CHANGED, TOPICS, Topic
from streams.agents.context import Context
from streams.deciding import decide
from streams.faust_app import STAGES, Stage
from streams.health import Health
from streams.kafka.rights import check_rights
from streams.kafka.session_timeout import check_session_timeout
from streams.kafka.topics import create_topics
from streams.kafka.topics_watch import TopicsWatch
from streams.learning.categories import Categories
from streams.listener import Listener
from streams.metrics import Metrics
from streams.open_files import allow_many_open_files
from streams.rights import needed_rights
from streams.settings import Settings
from streams.sinks import Sink
from streams.stages.learning import LearningPart
from streams.stages.run import Failing, PartsRun, started
from streams.state.directory import check_data_dir
from streams.tables import changelog_topics
from workers.garbage import collect_rarely

_log = logging.getLogger(__name__)


def run_worker(settings: Settings, stages: Collection[Stage] = STAGES) -> int:
    """Run the stages until SIGTERM or SIGINT; return the exit code: 0, or 1 if a part failed.

    The deciding stages share this process. Their model and learning run in processes of their own, which this one
    starts and reports for. Raises :class:`schemas.errors.ShelfwiseError` if the model, address, topics or data
    directory cannot be used, or Kafka denies a right.
    """
    collect_rarely()
    allow_many_open_files()
    wanted = _wanted(settings, stages)
    _check_tables(settings, wanted)
    health = Health(map(started, wanted))
    metrics = Metrics()
    with ExitStack() as stack:
        listener = stack.enter_context(
            Listener(health, metrics.registry, settings.metrics_host, settings.metrics_port)
        )
        _log.info("metrics at %s/metrics; stages: %s", listener.url, ", ".join(wanted))
        check_rights(settings.kafka, needed_rights(settings, wanted))
        _create_topics(settings)
        check_session_timeout(settings.kafka, settings.session_timeout_seconds)
        topics = stack.enter_context(closing(_watch(settings)))
        topics.start()
        beside = {"topics": topics}
        if wanted == ("learning",):
            return asyncio.run(learn(settings, metrics, health, asyncio.Event(), beside))
        return asyncio.run(decide(settings, metrics, health, wanted, beside))


async def learn(
    settings: Settings,
    metrics: Metrics,
    health: Health,
    stop: asyncio.Event,
    beside: Mapping[str, Failing] | None = None,
) -> int:
    """Learn in this process until ``stop`` is set, SIGTERM or SIGINT; return the exit code.

    ``beside`` is that of :class:`streams.stages.run.PartsRun`. Raises :class:`schemas.errors.InvalidBundle` if the
    model's category tree cannot be read.
    """
    categories = Categories(settings)
    context = Context(settings, Sink(settings.kafka), metrics, health)
    return await PartsRun(context, lambda: [LearningPart(context, categories)], beside).run(stop)


def _wanted(settings: Settings, stages: Collection[Stage]) -> tuple[Stage, ...]:
    wanted = tuple(
        stage for stage in STAGES if (not stages or stage in stages) and (settings.learning or stage != "learning")
    )
    if not wanted:
        raise InvalidSettings("--only learning was given, but SHELFWISE_LEARNING is false; set it to true")
    return wanted


def _check_tables(settings: Settings, stages: Collection[Stage]) -> None:
    """Raise :class:`InvalidSettings`, before anything is loaded, if tables cannot be kept as configured."""
    if settings.table_store == "memory://":
        if settings.table_standby_replicas:
            raise InvalidSettings(
                f"SHELFWISE_TABLE_STANDBY_REPLICAS is {settings.table_standby_replicas}, and standby replicas need"
                " tables on disk; set SHELFWISE_TABLE_STORE=rocksdict://"
            )
    elif not {"recall", "learning"}.isdisjoint(stages):
        check_data_dir(settings.data_dir)


def _topics(settings: Settings) -> tuple[Topic, ...]:
    """Return all topics of the installation; their names include its prefix."""
    return tuple(replace(topic, name=settings.topic(topic)) for topic in TOPICS) + changelog_topics(settings)


def _watch(settings: Settings) -> TopicsWatch:
    """Return a watch on all topics; only the source may be recreated, which intake notices and handles itself."""
    names = [topic.name for topic in _topics(settings)]
    return TopicsWatch(settings.kafka, names, settings.partitions, renewable=[settings.topic(PRODUCTS_CHANGED)])


def _create_topics(settings: Settings) -> None:
    """Create missing topics, all at once, because their numbers of partitions are checked together."""
    report = create_topics(
        settings.kafka,
        partitions=settings.partitions,
        replication_factor=settings.replication_factor,
        topics=_topics(settings),
    )
    for difference in report.differences:
        _log.warning("%s", difference)
    changelogs = {topic.name for topic in changelog_topics(settings)}
    if uncompacted := [name for name in report.uncompacted if name in changelogs]:
        raise ShelfwiseError(
            f"{', '.join(uncompacted)} is not compacted and would lose table records: set its"
            " cleanup.policy to compact, then see docs/state.md, A truncated changelog"
        )
