"""What becomes of tables whose store or changelog is lost, or whose changes do not arrive; on a real Kafka."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient

from schemas.errors import ShelfwiseError
from schemas.topics import PRODUCTS_BATCHED
from streams.faust_app import FlowApp, build_app, raw_topic
from streams.kafka.cluster import Cluster
from streams.kafka.topics import create_topics
from streams.settings import Settings
from streams.tables import PRODUCT_DIGESTS, changelog_name, changelog_topics, product_digests
from tests.fault.harness.faults import cut_changelogs, set_config
from tests.worker_harness import PARTITIONS, wait_until

PATIENCE_SECONDS = 60.0
KEYS = 200


@pytest.fixture
def settings(kafka: Cluster, topic_prefix: str, tmp_path: Path) -> Settings:
    settings = Settings(
        kafka=kafka.connection,
        topic_prefix=topic_prefix,
        partitions=PARTITIONS,
        data_dir=tmp_path / "one",
        session_timeout_seconds=6,
    )
    create_topics(settings.kafka, partitions=PARTITIONS, prefix=topic_prefix)
    create_topics(settings.kafka, partitions=PARTITIONS, topics=changelog_topics(settings))
    return settings


def send(settings: Settings, values: list[bytes]) -> None:
    """Send each value, as its own key, to the partition of its number."""
    producer = Producer(settings.kafka.producer_config())
    for number, value in enumerate(values):
        producer.produce(
            settings.topic(PRODUCTS_BATCHED), value, key=b"key %d" % number, partition=number % PARTITIONS
        )
    producer.flush()


def committed(settings: Settings) -> int:
    consumer = Consumer(settings.kafka.consumer_config(settings.group("recall")))
    try:
        places = [TopicPartition(settings.topic(PRODUCTS_BATCHED), number) for number in range(PARTITIONS)]
        return sum(max(place.offset, 0) for place in consumer.committed(places, PATIENCE_SECONDS))
    finally:
        consumer.close()


class Keeper:
    """An application that writes each message that it reads to a table."""

    def __init__(self, settings: Settings) -> None:
        self.app: FlowApp = build_app(settings, "recall")
        self.table = product_digests(self.app)
        self.read = 0
        topic = raw_topic(self.app, settings.topic(PRODUCTS_BATCHED))
        self.app.agent(topic, name="keeper", concurrency=1)(self._keep)

    async def _keep(self, stream: Any) -> None:
        async for event in stream.events():
            self.table.of(event.message.partition)[event.message.key] = event.value
            self.read += 1

    def content(self) -> dict[bytes, bytes]:
        """Return what its table holds, of all partitions."""
        found: dict[bytes, bytes] = {}
        for number in range(PARTITIONS):
            found |= dict(self.table.data.records(number))
        return {key: value for key, value in found.items() if not key.startswith(b"__shelfwise")}

    async def run(self, done: Callable[[], bool]) -> None:
        """Run until that is so, or it has crashed, and stop."""
        await self.app.start()
        try:
            deadline = time.monotonic() + PATIENCE_SECONDS
            while not (self.app.settled and done()) and not self.app.crashed:
                assert time.monotonic() < deadline
                await asyncio.sleep(0.02)
            self.found = {} if self.app.crashed else self.content()
        finally:
            await self.app.stop()


def run(settings: Settings, done: Callable[[Keeper], bool] = lambda _: True) -> Keeper:
    async def start() -> Keeper:
        keeper = Keeper(settings)
        await keeper.run(lambda: done(keeper))
        return keeper

    return asyncio.run(start())


def fill(settings: Settings) -> dict[bytes, bytes]:
    values = [b"value %d" % number for number in range(KEYS)]
    send(settings, values)
    run(settings, lambda _: committed(settings) == KEYS)
    return {b"key %d" % number: value for number, value in enumerate(values)}


def elsewhere(settings: Settings, name: str) -> Settings:
    return settings.model_copy(update={"data_dir": settings.data_dir.parent / name})


def test_a_store_on_disk_needs_no_changelog_and_another_worker_needs_no_store(settings: Settings) -> None:
    content = fill(settings)
    again = run(settings)
    assert again.found == content
    assert again.app.table_partitions.recovered_records == 0
    other = run(elsewhere(settings, "two"))
    assert other.found == content
    assert other.app.table_partitions.recovered_records == KEYS


def test_a_worker_whose_store_has_what_was_cut_from_the_changelog_writes_it_again_for_all_others(
    settings: Settings,
) -> None:
    content = fill(settings)
    cut_changelogs(settings.kafka, [changelog_name(settings, PRODUCT_DIGESTS)])
    holder = run(settings)
    assert holder.found == content
    assert not holder.app.table_partitions.broken
    newcomer = run(elsewhere(settings, "two"))
    assert newcomer.found == content
    assert not newcomer.app.table_partitions.broken


def test_where_no_store_has_what_was_cut_from_the_changelog_the_worker_says_so_at_every_start(
    settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    content = fill(settings)
    name = changelog_name(settings, PRODUCT_DIGESTS)
    cut_changelogs(settings.kafka, [name])
    for _ in range(2):
        newcomer = run(elsewhere(settings, "two"))
        assert newcomer.found == {}
        assert newcomer.app.table_partitions.broken == {(name, number) for number in range(PARTITIONS)}
    assert "were deleted" in caplog.text
    # The store that has it makes all whole, if it comes back.
    assert run(settings).found == content
    assert run(elsewhere(settings, "two")).app.table_partitions.broken == frozenset()


def test_an_event_whose_table_change_the_broker_refused_is_not_committed(settings: Settings) -> None:
    """Faust 0.15.3 logs the refusal and commits: the change is in no changelog, and nobody makes it again.

    Guard: :class:`streams.state.changes.TableChanges`.
    """
    admin = AdminClient(settings.kafka.client_config())
    set_config(admin, [topic.name for topic in changelog_topics(settings)], "max.message.bytes", "1000000")
    send(settings, [Random(1).randbytes(2_000_000)])  # not to be compressed
    keeper = run(settings, lambda keeper: committed(settings) > 0)
    assert keeper.app.crashed
    assert keeper.read == 1
    assert committed(settings) == 0


@pytest.mark.parametrize("kept", [0, 1])
def test_a_store_of_a_changelog_that_was_made_anew_is_refused_with_its_path_and_the_remedy(
    settings: Settings, kept: int
) -> None:
    """Faust's own check takes an end of one record for one that is not known."""
    fill(settings)
    name = changelog_name(settings, PRODUCT_DIGESTS)
    admin = AdminClient(settings.kafka.client_config())
    admin.delete_topics([name])[name].result()
    wait_until(lambda: name not in admin.list_topics(timeout=PATIENCE_SECONDS).topics, "the changelog to be gone")
    create_topics(settings.kafka, partitions=PARTITIONS, topics=changelog_topics(settings))
    producer = Producer(settings.kafka.producer_config())
    for number in range(PARTITIONS * kept):
        producer.produce(name, b"value", key=b"key", partition=number)
    producer.flush()
    error = run(settings).app.crash_reason
    assert isinstance(error, ShelfwiseError)
    assert re.search(rf"/recall/tables-0 are ahead of their changelog.*{name}.*delete /.*/recall, or", str(error))
