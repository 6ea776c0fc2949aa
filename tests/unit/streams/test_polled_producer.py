"""A producer that can send nothing more is noticed by whoever looks, though nothing is sent."""

from __future__ import annotations

import pytest
from confluent_kafka import KafkaError, KafkaException

from streams import polled_producer
from streams.kafka.connection import KafkaConnection
from streams.polled_producer import PolledProducer


class Fenced:
    """As librdkafka's: a fatal error is raised by whoever polls."""

    def __init__(self, *_: object, **__: object) -> None:
        pass

    def poll(self, _seconds: float) -> int:
        raise KafkaException(KafkaError(KafkaError.OUT_OF_ORDER_SEQUENCE_NUMBER, fatal=True))

    def flush(self, _seconds: float) -> int:
        return 3


def test_a_fatal_error_is_the_failure_and_closing_still_says_what_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(polled_producer, "Producer", Fenced)
    producer = PolledProducer(KafkaConnection(), "sink")
    producer._thread.join()
    assert isinstance(producer.failure, KafkaException)
    assert producer.close(1) == 3
