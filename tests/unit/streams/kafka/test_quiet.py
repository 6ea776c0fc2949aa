"""A cluster that refuses us is not waited for, and each error names the setting to look at."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import closing
from threading import Thread
from typing import Any

import pytest
from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient

from schemas.errors import InvalidSettings, KafkaUnavailable
from streams.kafka.connection import KafkaConnection
from streams.kafka.quiet import Quiet
from streams.kafka.ready import free_port
from tests.worker_harness import wait_until

_ALERT = "Receive failed: error:0A000412:SSL routines::ssl/tls alert bad certificate: SSL alert number 42"
_UNVERIFIED = "SSL handshake failed: error:0A000086:SSL routines::certificate verify failed"
_LONG = 600.0


class _Client:
    """Fails, and tells of an error when it is polled, until it has been asked so many times."""

    def __init__(self, config: dict[str, Any], error: KafkaError, failures: int) -> None:
        self._told = config["error_cb"]
        self._error = error
        self._failures = failures
        self.asked = 0

    def list_topics(self, timeout: float) -> str:
        assert timeout > 0
        self.asked += 1
        if self.asked > self._failures:
            return "metadata"
        raise KafkaException(KafkaError(KafkaError._TRANSPORT))

    def poll(self, _timeout: float) -> None:
        self._told(self._error)
        self._told(KafkaError(KafkaError._ALL_BROKERS_DOWN))


def _client(error: KafkaError, failures: int = 1_000) -> tuple[Quiet, _Client]:
    quiet = Quiet(KafkaConnection(bootstrap_servers="k:9093"))
    return quiet, quiet.make(lambda config: _Client(config, error, failures), {})


@pytest.fixture
def unpaused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("streams.kafka.quiet._PAUSE_SECONDS", 0.001)


@pytest.mark.parametrize(
    ("code", "reason", "setting"),
    [
        (KafkaError._AUTHENTICATION, "Invalid username or password", "SHELFWISE_KAFKA__SASL_PASSWORD"),
        (KafkaError._SSL, _UNVERIFIED, "SHELFWISE_KAFKA__SSL_CA_LOCATION"),
        (KafkaError._TRANSPORT, _ALERT, "SHELFWISE_KAFKA__SSL_CERTIFICATE_LOCATION"),
    ],
)
def test_a_refusal_is_told_at_once_with_the_setting(code: int, reason: str, setting: str) -> None:
    quiet, client = _client(KafkaError(code, reason))
    with pytest.raises(InvalidSettings) as refused:
        quiet.metadata(client, _LONG)
    assert client.asked == 1
    assert "k:9093 " in str(refused.value)
    assert f"({reason})" in str(refused.value)
    assert setting in str(refused.value)


def test_a_broker_that_does_not_answer_yet_is_asked_again(unpaused: None) -> None:
    quiet, client = _client(KafkaError(KafkaError._TRANSPORT, "Connect to k:9093 failed"), failures=3)
    assert quiet.metadata(client, _LONG) == "metadata"


def test_where_nobody_listens_the_address_is_asked_about() -> None:
    connection = KafkaConnection(bootstrap_servers=f"127.0.0.1:{free_port()}")
    assert _unavailable(connection).endswith("is it running, and is this its address?")


def test_where_a_port_answers_otherwise_the_security_protocol_is_asked_about(hangs_up: int) -> None:
    connection = KafkaConnection(bootstrap_servers=f"127.0.0.1:{hangs_up}")
    assert _unavailable(connection).endswith("does this port take SHELFWISE_KAFKA__SECURITY_PROTOCOL=PLAINTEXT?")


def _unavailable(connection: KafkaConnection) -> str:
    quiet = Quiet(connection)
    client = quiet.make(AdminClient, connection.client_config())
    # It has a reason to name as soon as it has tried to connect, which takes as long as it takes.
    wait_until(lambda: bool(client.poll(0.05)), "an error")
    with pytest.raises(KafkaUnavailable) as told:
        quiet.metadata(client, 0.1)
    return str(told.value)


@pytest.fixture
def hangs_up() -> Iterator[int]:
    """A port of which each connection is closed, as one for TLS or SASL does to plain text."""
    with closing(socket.create_server(("127.0.0.1", 0))) as server:

        def hang_up() -> None:
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                with closing(connection):
                    connection.recv(1)

        thread = Thread(target=hang_up, daemon=True)
        thread.start()
        yield server.getsockname()[1]
        server.shutdown(socket.SHUT_RDWR)
        thread.join()
