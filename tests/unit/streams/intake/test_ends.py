"""Ends that the broker does not tell are asked for again, by a new client where the old one would not learn."""

from __future__ import annotations

import time
from collections.abc import Mapping
from concurrent.futures import Future
from types import SimpleNamespace
from typing import Any

import pytest
from confluent_kafka import OFFSET_INVALID, KafkaError, KafkaException, TopicPartition

from streams.intake.ends import PartitionEnds
from streams.kafka.connection import KafkaConnection

PATIENT_SECONDS = 600


class Broker:
    """Tells where partitions end, or refuses: the first client alone, or all."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.end = 4
        self.refused: int | None = None
        self.refuses_all = False
        self.clients = 0
        self.now = 1_000.0
        monkeypatch.setattr(time, "monotonic", lambda: self.now)
        monkeypatch.setattr("streams.intake.ends.AdminClient", self._client)

    def _client(self, _config: object) -> SimpleNamespace:
        self.clients += 1
        old = self.clients == 1

        def list_offsets(
            wanted: Mapping[TopicPartition, object], **_: object
        ) -> dict[TopicPartition, Future[Any]]:
            return {place: self._answer(refused=old or self.refuses_all) for place in wanted}

        return SimpleNamespace(list_offsets=list_offsets)

    def _answer(self, *, refused: bool) -> Future[Any]:
        future: Future[Any] = Future()
        if refused and self.refused is not None:
            future.set_exception(KafkaException(KafkaError(self.refused)))
        else:
            future.set_result(SimpleNamespace(offset=self.end))
        return future


@pytest.fixture
def broker(monkeypatch: pytest.MonkeyPatch) -> Broker:
    return Broker(monkeypatch)


@pytest.fixture
def ends(broker: Broker) -> PartitionEnds:
    found = PartitionEnds(KafkaConnection(bootstrap_servers="nowhere:1"), "t")
    for _ in range(2):
        found.refresh([0])
    assert found.known(0) == 4
    return found


def refuse(broker: Broker, ends: PartitionEnds, code: int, *, for_seconds: int) -> None:
    broker.refused, broker.refuses_all = code, True
    for _ in range(for_seconds):
        broker.now += 1
        ends.refresh([0])


@pytest.mark.parametrize(
    "code",
    [
        KafkaError.FENCED_LEADER_EPOCH,
        KafkaError.UNKNOWN_LEADER_EPOCH,
        KafkaError.NOT_LEADER_FOR_PARTITION,
        KafkaError._TIMED_OUT,
    ],
)
def test_a_client_that_asks_a_leader_of_yesterday_is_replaced(
    broker: Broker, ends: PartitionEnds, code: int
) -> None:
    ends.refresh([0])
    broker.end, broker.refused = 18, code
    for _ in range(3):  # it asks in vain, the new one asks, its answer is taken in
        ends.refresh([0])
    assert (ends.known(0), broker.clients) == (18, 2)


def test_no_client_is_replaced_where_another_would_fare_no_better(broker: Broker, ends: PartitionEnds) -> None:
    refuse(broker, ends, KafkaError.TOPIC_AUTHORIZATION_FAILED, for_seconds=PATIENT_SECONDS)
    assert broker.clients == 1


def test_an_end_that_is_long_not_told_is_warned_of_once_until_it_is_told_again(
    broker: Broker, ends: PartitionEnds, caplog: pytest.LogCaptureFixture
) -> None:
    refuse(broker, ends, KafkaError.TOPIC_AUTHORIZATION_FAILED, for_seconds=30)
    assert not caplog.messages
    refuse(broker, ends, KafkaError.TOPIC_AUTHORIZATION_FAILED, for_seconds=PATIENT_SECONDS)
    (told,) = caplog.messages
    assert (
        "the ends of partitions [0] of t have not been told for 60 s (Broker: Topic authorization failed)" in told
    )
    broker.refused = None
    for _ in range(2):
        ends.refresh([0])
    refuse(broker, ends, KafkaError.TOPIC_AUTHORIZATION_FAILED, for_seconds=PATIENT_SECONDS)
    assert len(caplog.messages) == 2


def test_a_partition_that_comes_back_after_long_is_given_its_time(
    broker: Broker, ends: PartitionEnds, caplog: pytest.LogCaptureFixture
) -> None:
    ends.refresh([1])
    broker.now += PATIENT_SECONDS
    ends.refresh([1])
    refuse(broker, ends, KafkaError.TOPIC_AUTHORIZATION_FAILED, for_seconds=30)
    assert not caplog.messages


def test_an_answer_without_an_offset_is_none(broker: Broker, ends: PartitionEnds) -> None:
    broker.end = OFFSET_INVALID
    for _ in range(2):
        ends.refresh([0])
    assert (ends.known(0), broker.clients) == (4, 2)
