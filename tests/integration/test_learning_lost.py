"""What retention deleted before learning had read it is reported when a worker starts."""

from __future__ import annotations

from pathlib import Path

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient
from prometheus_client import CollectorRegistry

from schemas.topics import STATISTICS_CHANGED
from streams.kafka.cluster import Cluster
from streams.learning.lost import report_lost
from streams.metrics import Metrics
from tests.worker_harness import Installation


def test_changes_of_statistics_that_were_deleted_unread_are_reported(
    kafka: Cluster, topic_prefix: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    installation = Installation(kafka.connection, topic_prefix, tmp_path, tmp_path).create()
    settings, topic = installation.settings(), installation.name(STATISTICS_CHANGED)

    def lost() -> float:
        registry = CollectorRegistry()
        report_lost(settings, Metrics(registry))
        return registry.get_sample_value("shelfwise_events_lost_total", {"topic": topic}) or 0.0

    assert lost() == 0, "nothing was ever read"
    producer = Producer(kafka.connection.producer_config())
    for _ in range(10):
        producer.produce(topic, b"", partition=1)
    assert producer.flush(30) == 0
    consumer = Consumer(kafka.connection.consumer_config(settings.group("learning")))
    consumer.commit(offsets=[TopicPartition(topic, 1, 4)], asynchronous=False)
    consumer.close()
    admin = AdminClient(kafka.connection.client_config())
    for last in (4, 7):
        for done in admin.delete_records([TopicPartition(topic, 1, last)]).values():
            done.result(30)
        assert lost() == last - 4
    assert f"{topic}/1: offsets 4 to 6 were deleted before they were learned from" in caplog.text
