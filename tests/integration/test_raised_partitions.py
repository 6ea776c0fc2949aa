"""An installation whose topics were given more partitions is refused at the start, and told the way out."""

from __future__ import annotations

from pathlib import Path

import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewPartitions

from schemas.errors import InvalidSettings
from streams.kafka.cluster import Cluster
from streams.kafka.topics import create_topics
from streams.settings import Settings
from streams.tables import STATISTICS, changelog_name, changelog_topics, statistics_partition
from streams.worker import run_worker
from tests.worker_harness import Installation


@pytest.mark.parametrize("setting", [2, 4])
def test_topics_that_were_raised_without_their_changelogs_advise_no_number(
    kafka: Cluster, topic_prefix: str, tmp_path: Path, setting: int
) -> None:
    settings = Settings(
        kafka=kafka.connection, topic_prefix=topic_prefix, partitions=setting, data_dir=tmp_path, metrics_port=0
    )
    create_topics(kafka.connection, partitions=2, topics=changelog_topics(settings))
    create_topics(kafka.connection, partitions=4, prefix=topic_prefix)
    told = r"_digests-changelog has 2 partitions.*, and all others \(10\) have 4: they must be equal\."
    with pytest.raises(InvalidSettings, match=told) as refused:
        run_worker(settings)
    assert "SHELFWISE_PARTITIONS=" not in str(refused.value)


def test_an_installation_whose_topics_were_all_raised_is_known_by_what_it_has_learned(
    kafka: Cluster, topic_prefix: str, sample_bundle: Path, tmp_path: Path
) -> None:
    installation = Installation(kafka.connection, topic_prefix, sample_bundle, tmp_path, partitions=1).create()
    settings = installation.settings()
    create_topics(kafka.connection, partitions=1, topics=changelog_topics(settings))
    changelog = changelog_name(settings, STATISTICS["brand"])
    producer = Producer(kafka.connection.producer_config())
    producer.produce(changelog, b'{"weights":{},"applied":{}}', _brand_that_moves(), 0)
    assert producer.flush(30) == 0
    _raise_all(kafka, topic_prefix, 2)
    worker = installation.worker(partitions=2)
    try:
        assert worker.start().wait() == 1
    finally:
        worker.__exit__()
    assert f"{changelog} [0] has statistics which of 2 partitions belong to [1]" in worker.log.read_text()


def _brand_that_moves() -> bytes:
    """Return a brand that the second of two partitions takes over from the first and only one."""
    return next(key for key in (b"lumo", b"acme", b"ikea") if statistics_partition("brand", key, 2) == 1)


def _raise_all(kafka: Cluster, prefix: str, partitions: int) -> None:
    admin = AdminClient(kafka.connection.client_config())
    names = [name for name in admin.list_topics(timeout=10).topics if name.startswith(prefix)]
    for raised in admin.create_partitions([NewPartitions(name, partitions) for name in names]).values():
        raised.result()
