"""Of the offsets that a consumer was not brought, those before the first that is there were deleted unread."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import Future
from types import SimpleNamespace
from typing import Any

import pytest
from confluent_kafka import KafkaError, KafkaException, TopicPartition
from prometheus_client import CollectorRegistry

from streams.kafka.connection import KafkaConnection
from streams.lost import LostMessages
from streams.metrics import Metrics


class Broker:
    """Knows the first offset of each partition, and answers when told to."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.asked: list[tuple[int, Future[Any]]] = []
        monkeypatch.setattr("streams.lost.AdminClient", lambda _config: self)
        self.registry = CollectorRegistry()
        connection = KafkaConnection(bootstrap_servers="nowhere:1")
        self.events = LostMessages(connection, "t", Metrics(self.registry), "publish them again")

    def list_offsets(self, wanted: Mapping[TopicPartition, object], **_: object) -> dict[Any, Future[Any]]:
        answers: dict[Any, Future[Any]] = {place: Future() for place in wanted}
        self.asked += [(place.partition, future) for place, future in answers.items()]
        return answers

    def answer(self, first: int) -> None:
        while self.asked:
            self.asked.pop()[1].set_result(SimpleNamespace(offset=first))

    def lost(self) -> float:
        self.events.turn()
        return self.registry.get_sample_value("shelfwise_events_lost_total", {"topic": "t"}) or 0.0


@pytest.fixture
def broker(monkeypatch: pytest.MonkeyPatch) -> Broker:
    monkeypatch.setattr("streams.lost._PAUSE_SECONDS", 0)
    return Broker(monkeypatch)


@pytest.mark.parametrize(("first", "lost"), [(0, 0), (5, 0), (7, 2), (9, 4), (20, 4)])
def test_a_gap_was_deleted_as_far_as_it_lies_before_the_first_offset(
    broker: Broker, first: int, lost: int
) -> None:
    broker.events.skipped(0, 5, 9)
    assert broker.lost() == 0, "nothing is known yet"
    broker.answer(first)
    assert broker.lost() == lost


def test_a_broker_that_does_not_answer_is_asked_again(broker: Broker) -> None:
    broker.events.skipped(1, 5, 9)
    broker.lost()
    broker.asked.pop()[1].set_exception(KafkaException(KafkaError(KafkaError._TIMED_OUT)))
    broker.lost()
    broker.answer(9)
    assert broker.lost() == 4


def test_an_answer_that_is_no_offset_is_asked_for_again(broker: Broker) -> None:
    broker.events.skipped(0, 5, 9)
    broker.lost()
    broker.answer(-1)
    assert broker.lost() == 0
    broker.answer(9)
    assert broker.lost() == 4


def test_without_a_gap_nothing_is_asked(broker: Broker) -> None:
    broker.events.turn()
    assert not broker.asked
