"""What tests of commands on a real Kafka share."""

from __future__ import annotations

from pathlib import Path

import pytest

from streams.kafka.cluster import Cluster
from tests.worker_harness import PARTITIONS, Installation


@pytest.fixture
def installation(
    kafka: Cluster, topic_prefix: str, sample_bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Installation:
    """An installation that the settings in the environment name, so that commands find it."""
    monkeypatch.setenv("SHELFWISE_KAFKA__BOOTSTRAP_SERVERS", kafka.bootstrap_servers)
    monkeypatch.setenv("SHELFWISE_TOPIC_PREFIX", topic_prefix)
    monkeypatch.setenv("SHELFWISE_PARTITIONS", str(PARTITIONS))
    monkeypatch.setenv("SHELFWISE_BUNDLE", str(sample_bundle))
    return Installation(kafka.connection, topic_prefix, sample_bundle, tmp_path).create()
