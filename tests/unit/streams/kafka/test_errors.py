"""What a client is told in place of a message, or about one that it sent, names what an operator must know."""

from __future__ import annotations

import logging
from types import SimpleNamespace
from typing import Any

import pytest
from confluent_kafka import KafkaError

from schemas.errors import KafkaUnavailable
from streams.kafka.errors import log_or_raise, of_topic

_log = logging.getLogger(__name__)


def test_an_error_that_passes_is_logged_with_what_was_read(caplog: pytest.LogCaptureFixture) -> None:
    down = KafkaError(KafkaError._ALL_BROKERS_DOWN, "all brokers are down")
    log_or_raise(down, _message(None), "the statistics", _log)
    assert [record.getMessage() for record in caplog.records] == ["the statistics: all brokers are down"]


def test_an_error_of_a_topic_names_it(caplog: pytest.LogCaptureFixture) -> None:
    refused = KafkaError(KafkaError.TOPIC_AUTHORIZATION_FAILED, "Fetch from broker 1 failed")
    log_or_raise(refused, _message("products"), "events", _log)
    assert [record.getMessage() for record in caplog.records] == ["events of products: Fetch from broker 1 failed"]


@pytest.mark.parametrize(
    "error",
    [
        KafkaError(KafkaError._FATAL, "fenced"),
        KafkaError(KafkaError.FENCED_INSTANCE_ID, "fenced", fatal=True),
    ],
)
def test_an_error_that_ends_the_consumer_is_raised(error: KafkaError) -> None:
    with pytest.raises(KafkaUnavailable, match="the statistics can no longer be read: fenced; restart the worker"):
        log_or_raise(error, _message(None), "the statistics", _log)


def test_a_message_that_the_broker_refuses_for_its_time_makes_one_look_at_the_clocks() -> None:
    refused = of_topic(KafkaError(KafkaError.INVALID_RECORD, "Broker failed to validate record"), "decisions")
    assert refused.str() == (
        "decisions: Broker failed to validate record; is this machine's clock more than an hour ahead of the"
        " broker's?"
    )


def _message(topic: str | None) -> Any:
    return SimpleNamespace(topic=lambda: topic)
