"""The view of the statistics waits for partitions that were only just made."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import KafkaError, KafkaException

from streams.kafka.connection import KafkaConnection
from streams.settings import Settings
from streams.statistics_view import StatisticsView


class _Consumer:
    """Has no leader for what it is first asked about; then all is empty."""

    def __init__(self, refusals: list[int]) -> None:
        self._refusals = refusals

    def get_watermark_offsets(self, _partition: object, _timeout: float) -> tuple[int, int]:
        if self._refusals:
            raise KafkaException(KafkaError(self._refusals.pop()))
        return 0, 0

    def assign(self, partitions: object) -> None:
        pass

    def consume(self, _count: int, timeout: float) -> list[Any]:
        return []

    def close(self) -> None:
        pass


def _view(tmp_path: Path, refusals: list[int], monkeypatch: pytest.MonkeyPatch) -> StatisticsView:
    monkeypatch.setattr("streams.kafka.watermarks._ASK_AGAIN_SECONDS", 0)
    monkeypatch.setattr("streams.statistics_view.Consumer", lambda *_, **__: _Consumer(refusals))
    kafka = KafkaConnection(bootstrap_servers="nowhere:1")
    return StatisticsView(Settings(data_dir=tmp_path, kafka=kafka, partitions=2))


def test_partitions_without_a_leader_are_asked_about_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    refusals = [KafkaError.NOT_LEADER_FOR_PARTITION, KafkaError.LEADER_NOT_AVAILABLE]
    view = _view(tmp_path, refusals, monkeypatch)
    view.start()
    view.await_caught_up()
    assert view.failure is None
    view.stop()


def test_what_does_not_heal_is_a_failure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    view = _view(tmp_path, [KafkaError.TOPIC_AUTHORIZATION_FAILED], monkeypatch)
    view.start()
    view.await_caught_up()
    view.join()
    assert isinstance(view.failure, KafkaException)
