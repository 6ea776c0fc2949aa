"""What is told of a cluster that does not answer at once."""

from __future__ import annotations

import pytest

from schemas.errors import KafkaUnavailable
from streams.kafka import topics
from streams.kafka.connection import KafkaConnection
from streams.kafka.ready import free_port


def test_that_no_broker_answers_is_said_before_it_is_waited_for(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("streams.kafka.quiet._AT_ONCE_SECONDS", 0.1)
    monkeypatch.setattr("streams.kafka.quiet._AWAITED_SECONDS", 0.1)
    address = f"127.0.0.1:{free_port()}"
    with pytest.raises(KafkaUnavailable, match=f"no Kafka answers at {address}"):
        topics.create_topics(KafkaConnection(bootstrap_servers=address), partitions=1)
    assert f"waiting for Kafka at {address}, 0 s at most: no Kafka answers at {address} (" in caplog.text
