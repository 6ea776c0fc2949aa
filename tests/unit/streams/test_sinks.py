"""The sink without a broker: what it makes of a refusal."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest
from confluent_kafka import KafkaError, KafkaException

from streams.kafka.connection import KafkaConnection
from streams.sinks import Sink


class Refused:
    """A message that the broker refuses at once."""

    def __init__(self, code: int) -> None:
        self._error = KafkaError(code)

    def produce(self, _producer: Any, on_delivery: Any) -> None:
        on_delivery(self._error, SimpleNamespace(topic=lambda: "categories.assigned.v1"))


def _failure_after(code: int) -> BaseException | None:
    async def scenario() -> BaseException | None:
        message: Any = Refused(code)
        sink = Sink(KafkaConnection(bootstrap_servers="127.0.0.1:1"))
        with pytest.raises(KafkaException, match=r"categories\.assigned\.v1: "):
            await sink.send_all([message])
        sink.close(0)
        return sink.failure

    return asyncio.run(scenario())


@pytest.mark.parametrize("code", [KafkaError.TOPIC_AUTHORIZATION_FAILED, KafkaError.CLUSTER_AUTHORIZATION_FAILED])
def test_a_topic_that_may_not_be_written_to_is_named_and_ends_the_worker(code: int) -> None:
    assert "this worker may not write to categories.assigned.v1" in str(_failure_after(code))


def test_a_message_that_is_too_large_ends_nothing_else() -> None:
    assert _failure_after(KafkaError.MSG_SIZE_TOO_LARGE) is None
