"""What Faust 0.15.3 does to those who trust it, on a real Kafka; each test names the guard it fails without."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import orjson
import pytest
from confluent_kafka import Consumer, Producer, TopicPartition

from schemas.events.codec import encode
from schemas.topics import PRODUCTS_BATCHED, REVIEWS_DECIDED
from streams.agents.model_context import ModelContext
from streams.agents.recall import RecallStage
from streams.agents.rereading import LogPlace
from streams.agents.sifting import ProductRecords
from streams.faust_app import FlowApp, build_app, raw_topic
from streams.health import Health
from streams.kafka.cluster import Cluster
from streams.kafka.topics import create_topics
from streams.metrics import Metrics
from streams.settings import Settings
from streams.tables import STATISTICS, changelog_name, changelog_topics, product_digests
from tests.decisions import verdict
from tests.worker_harness import Installation, wait_until
from workers.sample import sample_taxonomy

PATIENCE_SECONDS = 60.0
Run = Callable[[Any], Awaitable[None]]


@pytest.fixture
def settings(kafka: Cluster, topic_prefix: str, tmp_path: Path) -> Settings:
    settings = Settings(
        kafka=kafka.connection,
        topic_prefix=topic_prefix,
        partitions=1,
        data_dir=tmp_path,
        session_timeout_seconds=6,
    )
    create_topics(settings.kafka, partitions=1, prefix=topic_prefix)
    create_topics(settings.kafka, partitions=1, topics=changelog_topics(settings))
    return settings


def send_numbers(settings: Settings, first: int, count: int) -> None:
    producer = Producer(settings.kafka.producer_config())
    for number in range(first, first + count):
        producer.produce(settings.topic(PRODUCTS_BATCHED), str(number).encode(), partition=0)
    producer.flush()


def committed(settings: Settings) -> int:
    consumer = Consumer(settings.kafka.consumer_config(settings.group("recall")))
    try:
        (place,) = consumer.committed([TopicPartition(settings.topic(PRODUCTS_BATCHED), 0)], PATIENCE_SECONDS)
        return int(place.offset)
    finally:
        consumer.close()


async def run_until(
    settings: Settings, agent: Run, done: Callable[[], bool], tables: list[Any] | None = None
) -> FlowApp:
    """Run an application with one agent on the topic of batches until that is done, and stop it gracefully."""
    app = build_app(settings, "recall")
    app.agent(raw_topic(app, settings.topic(PRODUCTS_BATCHED)), name="recall", concurrency=1)(agent)
    if tables is not None:
        tables.append(product_digests(app))
    await app.start()
    try:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not done() and not app.crashed:
            assert time.monotonic() < deadline
            await asyncio.sleep(0.02)
    finally:
        await app.stop()
    return app


def no_records(_partition: int) -> dict[bytes, bytes]:
    """Return what is known of no product."""
    return {}


class Choking(RecallStage):
    """Does not work on what it is given, but notes it; chokes on every seventh."""

    def __init__(self, settings: Settings) -> None:
        nothing: Any = None
        super().__init__(
            ModelContext(settings, nothing, Metrics(), Health(), nothing),
            ProductRecords(no_records),
        )
        self.seen: list[int] = []

    async def prepare(self, value: bytes | None, place: LogPlace) -> None:
        self.seen.append(int(value or b""))
        if self.seen[-1] % 7 == 0:
            raise RuntimeError("choked")


def test_an_exception_while_one_batch_is_worked_on_costs_the_others_nothing(
    settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    """Faust acknowledges an event whose agent raises, restarts the agent, and drops what it had taken in.

    Guard: no exception leaves the loop of :meth:`RecallStage.run`, and none that of the other stages.
    """
    send_numbers(settings, 0, 100)
    stage = Choking(settings)
    app = asyncio.run(run_until(settings, stage.run, lambda: 99 in stage.seen))
    assert not app.crashed
    assert stage.seen == list(range(100))
    assert len([record for record in caplog.records if "it will be sent again" in record.getMessage()]) == 15


def test_no_event_is_lost_when_an_application_with_tables_is_stopped_gracefully_and_started_again(
    settings: Settings,
) -> None:
    """After recovery Faust resumes flow once too often, and so clears queues that hold fetched events already.

    Whether they do hold some by then is a matter of luck; here the agent resumes once more when they surely do.
    Guard: :class:`streams.faust_guards.GuardedFlowControl`.
    """
    seen: list[int] = []
    tables: list[Any] = []

    async def slowly(stream: Any) -> None:
        async for event in stream.events():
            seen.append(int(event.value))
            partition = tables[-1].of(event.message.partition)
            partition[event.value] = b"a record, to be recovered after the restart"
            if seen[-1] % 1_000 == 500:
                event.app.flow_control.resume()
            await asyncio.sleep(0.0005)

    total = 6_000
    send_numbers(settings, 0, total)
    for stop_at in (total // 3, 2 * total // 3, total):
        asyncio.run(
            run_until(
                settings,
                slowly,
                lambda stop=stop_at: max(seen, default=0) >= stop - 1,  # type: ignore[misc]
                tables,
            )
        )
    assert sorted(set(seen)) == list(range(total))


def test_an_event_that_faust_never_acknowledges_does_not_freeze_the_committed_offset(settings: Settings) -> None:
    """An event that was dropped in a rebalance leaves a gap, and Faust commits no further until a restart.

    That restart would then read hours of batches again. Guard: :class:`streams.faust_guards.GuardedConsumer`.
    """
    seen: list[int] = []

    async def all_but_one(stream: Any) -> None:
        unacknowledged = stream.noack()
        async for event in unacknowledged.events():
            seen.append(int(event.value))
            if seen[-1] not in (50, 51):
                await unacknowledged.ack(event)

    send_numbers(settings, 0, 100)
    asyncio.run(run_until(settings, all_but_one, lambda: committed(settings) == 100))
    assert seen == list(range(100))


def test_what_is_learned_is_counted_once_though_a_killed_worker_reads_it_again(
    kafka: Cluster, topic_prefix: str, sample_bundle: Path, tmp_path: Path
) -> None:
    """After ``kill -9`` Faust reads what it had not committed once more, and counts in tables grow twice.

    Guard: each key's statistics hold up to which position of its source they count
    (:func:`workers.learning.apply_changes`), in one value with the weights.
    """
    installation = Installation(kafka.connection, topic_prefix, sample_bundle, tmp_path).create()
    category, verdicts = sample_taxonomy().ids[0], 1_500
    producer = Producer(installation.connection.producer_config())
    for number in range(verdicts):
        name = f"p{number}"
        said = verdict(category, review_id=str(number), product_id=name, brand=f"Brand {number % 3}")
        producer.produce(installation.name(REVIEWS_DECIDED), key=name.encode(), value=encode(said))
        producer.poll(0)
    producer.flush()

    def weights() -> list[float]:
        latest = installation.latest(changelog_name(installation.settings(), STATISTICS["brand"]))
        return sorted(orjson.loads(value)["weights"][category] for value in latest.values())

    quick = {"session_timeout_seconds": 6}
    for enough in (200, 800):
        with installation.worker("learning", **quick) as worker:
            wait_until(
                lambda: worker.metric("shelfwise_statistics_updates_total") >= enough,  # noqa: B023 - called here
                "some counts",
            )
            worker.kill()
    with installation.worker("learning", **quick):
        wait_until(lambda: sum(weights()) >= 3.0 * verdicts, lambda: f"all counts: {weights()}")
        assert weights() == [verdicts * 1.0] * 3
