"""Intake pauses often, and each pause drops what was fetched ahead."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from streams.health import Health
from streams.intake import Intake
from streams.kafka.connection import KafkaConnection
from streams.metrics import Metrics
from streams.settings import Settings

EVENT_BYTES = 500


def test_no_more_is_fetched_ahead_than_is_soon_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found: list[dict[str, Any]] = []
    monkeypatch.setattr("streams.intake.loop.Consumer", lambda config, **_: found.append(config))
    settings = Settings(data_dir=tmp_path, kafka=KafkaConnection(bootstrap_servers="nowhere:1"))
    Intake(settings, Metrics(CollectorRegistry()), Health())
    (config,) = found
    batch_products = settings.most_products(settings.partitions)
    assert config["queued.min.messages"] < batch_products
    assert config["fetch.message.max.bytes"] < 20 * batch_products * EVENT_BYTES
