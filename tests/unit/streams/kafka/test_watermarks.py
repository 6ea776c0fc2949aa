"""A partition without a leader is asked about again, for so long."""

from __future__ import annotations

from threading import Event
from typing import Any

import pytest
from confluent_kafka import KafkaError, KafkaException, TopicPartition

from streams.kafka.watermarks import watermarks

PLACE = TopicPartition("products", 3)
LEADERLESS = (
    KafkaError.NOT_LEADER_FOR_PARTITION,
    KafkaError.LEADER_NOT_AVAILABLE,
    KafkaError._UNKNOWN_PARTITION,
)


class _Consumer:
    """Refuses with these codes, then answers."""

    def __init__(self, *refusals: int) -> None:
        self.refusals = list(refusals)

    def get_watermark_offsets(self, partition: TopicPartition, _timeout: float) -> tuple[int, int]:
        assert partition is PLACE
        if self.refusals:
            raise KafkaException(KafkaError(self.refusals.pop(0)))
        return 2, 7


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("streams.kafka.watermarks._ASK_AGAIN_SECONDS", 0)


def test_it_is_asked_again_until_there_is_an_answer() -> None:
    consumer: Any = _Consumer(*LEADERLESS)
    assert watermarks(consumer, PLACE, 10.0) == (2, 7)


@pytest.mark.parametrize("code", [KafkaError._TIMED_OUT, KafkaError.TOPIC_AUTHORIZATION_FAILED])
def test_what_asking_again_does_not_heal_is_raised_at_once(code: int) -> None:
    consumer: Any = _Consumer(code)
    with pytest.raises(KafkaException):
        watermarks(consumer, PLACE, 10.0)
    assert consumer.refusals == []


def test_when_patience_ends_the_last_answer_is_raised() -> None:
    consumer: Any = _Consumer(*LEADERLESS)
    with pytest.raises(KafkaException) as raised:
        watermarks(consumer, PLACE, 10.0, patience_seconds=0)
    assert raised.value.args[0].code() == LEADERLESS[0]


def test_who_is_stopped_asks_no_more() -> None:
    stopped = Event()
    stopped.set()
    consumer: Any = _Consumer(*LEADERLESS)
    with pytest.raises(KafkaException):
        watermarks(consumer, PLACE, 10.0, stopped=stopped)
    assert consumer.refusals == list(LEADERLESS[1:])
