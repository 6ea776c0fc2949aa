"""The reader of decisions and verdicts on a real Kafka: what it committed has arrived, and nothing is skipped."""

from __future__ import annotations

from pathlib import Path

import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient
from prometheus_client import CollectorRegistry

from schemas.events.codec import decode
from schemas.events.learning import LearningBatch
from schemas.topics import CATEGORIES_ASSIGNED, CATEGORIES_NEEDS_REVIEW, LEARNING_BATCHED, REVIEWS_DECIDED
from streams.health import Health
from streams.kafka.cluster import Cluster
from streams.learning import reader as module
from streams.learning.reader import LearningReader
from streams.metrics import Metrics
from tests.fault.harness.faults import set_config
from tests.worker_harness import PARTITIONS, Installation, wait_until

_TOPICS = (CATEGORIES_ASSIGNED, CATEGORIES_NEEDS_REVIEW, REVIEWS_DECIDED)


@pytest.fixture
def installation(kafka: Cluster, topic_prefix: str, tmp_path: Path) -> Installation:
    return Installation(kafka.connection, topic_prefix, tmp_path, tmp_path).create()


def publish(installation: Installation, numbers: range) -> None:
    producer = Producer(installation.connection.producer_config())
    for number in numbers:
        for topic in _TOPICS:
            key, value = b"%d" % number, b"{}" if topic is REVIEWS_DECIDED else None
            producer.produce(installation.name(topic), key=key, value=value, partition=number % PARTITIONS)
    producer.flush()


def learned(installation: Installation) -> list[tuple[int, str, str]]:
    """Return the partition, topic and product of all that was sent to be learned."""
    found: list[tuple[int, str, str]] = []
    for message in installation.read(installation.name(LEARNING_BATCHED)):
        batch = decode(message.value(), LearningBatch)
        assert batch.partition == message.partition()
        found += [(batch.partition, item.topic, item.product_id) for item in batch.decisions]
        found += [(batch.partition, "verdict", (item.key or b"").decode()) for item in batch.verdicts]
    return found


def expected(numbers: range) -> list[tuple[int, str, str]]:
    names = ("assigned", "needs_review", "verdict")
    return [(number % PARTITIONS, name, str(number)) for number in numbers for name in names]


def test_all_that_is_decided_is_sent_to_its_partition_and_a_new_reader_goes_on_where_the_last_stopped(
    installation: Installation,
) -> None:
    for numbers in (range(100), range(100, 130)):
        publish(installation, numbers)
        health = Health()
        reader = LearningReader(
            installation.settings(session_timeout_seconds=6), health, Metrics(CollectorRegistry())
        )
        reader.start()
        try:
            wait_until(lambda: len(learned(installation)) >= 3 * numbers.stop, "all is sent")  # noqa: B023 - called here
            assert health.liveness().ok
        finally:
            reader.stop()
        assert reader.failure is None
        assert sorted(learned(installation)) == sorted(expected(range(numbers.stop)))


def showing_reader(
    installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> tuple[LearningReader, list[int]]:
    """Return a reader, and what it shows of the messages that it has not read, as often as it looks."""
    monkeypatch.setattr(module, "_REPORT_SECONDS", 0.0)
    shown: list[int] = []
    metrics = Metrics(CollectorRegistry())
    monkeypatch.setattr(metrics, "learning_unread", shown.append)
    return LearningReader(installation.settings(session_timeout_seconds=6), Health(), metrics), shown


def test_how_much_is_still_to_be_learned_from_is_shown(
    installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_MESSAGES_A_TURN", 50)
    numbers = range(400)
    publish(installation, numbers)
    reader, shown = showing_reader(installation, monkeypatch)
    reader.start()
    try:
        wait_until(lambda: len(learned(installation)) >= 3 * len(numbers), "all is sent")
        wait_until(lambda: shown[-1] == 0, "nothing is left")
    finally:
        reader.stop()
    assert 0 < max(shown) <= 3 * len(numbers)


def set_cleanup_policy(installation: Installation, policy: str) -> None:
    admin = AdminClient(installation.connection.client_config())
    set_config(admin, [installation.name(LEARNING_BATCHED)], "cleanup.policy", policy)


def test_while_the_broker_refuses_its_batches_what_waits_is_shown_and_the_log_names_the_topic(
    installation: Installation, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    set_cleanup_policy(installation, "compact")  # then it takes no message without a key
    publish(installation, range(10))
    reader, shown = showing_reader(installation, monkeypatch)
    reader.start()
    try:
        topic = installation.name(LEARNING_BATCHED)
        wait_until(lambda: f"did not arrive ({topic}: " in caplog.text, "a refusal")
        publish(installation, range(10, 400))
        wait_until(lambda: shown[-1] >= 3 * 390, "that more waits")
        set_cleanup_policy(installation, "delete")
        wait_until(lambda: len(learned(installation)) >= 3 * 400, "all is sent")
    finally:
        reader.stop()
    assert sorted(learned(installation)) == sorted(expected(range(400)))
