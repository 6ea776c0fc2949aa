"""Topics are followed once their partitions have leaders; statistics that lie on another partition are refused."""

from __future__ import annotations

from pathlib import Path

import pytest
from confluent_kafka import KafkaError, KafkaException, Message

from schemas.errors import InvalidSettings
from streams.kafka.connection import KafkaConnection
from streams.learned.follower import Follower
from streams.learned.statistics import LearnedStatistics
from streams.settings import Settings
from streams.tables import statistics_partition


def _weights(brand: bytes, partition: int, value: bytes = b'{"weights":{"lamps":1}}') -> Message:
    return Message("shelfwise-learning-brand_frequency-changelog", partition, 0, brand, value)


class _Consumer:
    """Has no leader for what it is first asked about; then all is empty but for a message, if there is one."""

    def __init__(self, refusals: list[int], *messages: Message) -> None:
        self._refusals = refusals
        self._messages = list(messages)

    def get_watermark_offsets(self, _partition: object, _timeout: float) -> tuple[int, int]:
        if self._refusals:
            raise KafkaException(KafkaError(self._refusals.pop()))
        return 0, 0

    def assign(self, partitions: object) -> None:
        pass

    def consume(self, _count: int, timeout: float) -> list[Message]:
        messages, self._messages = self._messages, []
        return messages

    def close(self) -> None:
        pass


def _followed(
    tmp_path: Path, refusals: list[int], monkeypatch: pytest.MonkeyPatch, *messages: Message
) -> tuple[Follower, LearnedStatistics]:
    monkeypatch.setattr("streams.kafka.watermarks._ASK_AGAIN_SECONDS", 0)
    monkeypatch.setattr("streams.learned.follower.Consumer", lambda *_, **__: _Consumer(refusals, *messages))
    kafka = KafkaConnection(bootstrap_servers="nowhere:1")
    settings = Settings(data_dir=tmp_path, kafka=kafka, partitions=2)
    statistics = LearnedStatistics(settings)
    return Follower(settings, statistics.handlers), statistics


def test_partitions_without_a_leader_are_asked_about_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    refusals = [KafkaError.NOT_LEADER_FOR_PARTITION, KafkaError.LEADER_NOT_AVAILABLE]
    follower, _ = _followed(tmp_path, refusals, monkeypatch)
    follower.start()
    follower.await_caught_up()
    assert follower.failure is None
    follower.stop()


def test_what_does_not_heal_is_a_failure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    follower, _ = _followed(tmp_path, [KafkaError.TOPIC_AUTHORIZATION_FAILED], monkeypatch)
    follower.start()
    follower.await_caught_up()
    follower.join()
    assert isinstance(follower.failure, KafkaException)


def test_statistics_and_nothing_else_are_refused_where_another_number_of_partitions_put_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    brand = b"lumo"
    right = statistics_partition("brand", brand, 2)
    messages = _weights(brand, 1 - right, b"{"), _weights(brand, right), _weights(brand, 1 - right)
    follower, statistics = _followed(tmp_path, [], monkeypatch, *messages)
    follower.start()
    follower.join()
    assert statistics.weights("brand", "lumo") == {"lamps": 1.0}
    assert isinstance(follower.failure, InvalidSettings)
    assert f"[{1 - right}] has statistics which of 2 partitions belong to [{right}]" in str(follower.failure)
