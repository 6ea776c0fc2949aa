from __future__ import annotations

import logging
import socket
import struct
import urllib.request
from threading import Event
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from schemas.errors import InvalidSettings
from streams import listener
from streams.health import Health
from streams.listener import Listener


def test_a_worker_that_comes_back_has_its_port_again_though_its_last_scrapes_still_hold_it() -> None:
    with Listener(Health([]), CollectorRegistry()) as first:
        port = first.port
        # The side that closes first keeps the connection in TIME_WAIT: the listener.
        urllib.request.urlopen(f"{first.url}/metrics", timeout=10).close()
    with Listener(Health([]), CollectorRegistry(), port=port) as second:
        assert second.port == port


def test_a_port_that_another_listens_on_is_refused_by_its_number() -> None:
    with Listener(Health([]), CollectorRegistry()) as first, pytest.raises(InvalidSettings, match=str(first.port)):
        Listener(Health([]), CollectorRegistry(), port=first.port)


def test_a_client_that_hangs_up_leaves_one_line_in_the_log_and_no_traceback(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.INFO)
    failed = Event()
    handle_error = listener._Server.handle_error

    def noticed(*arguments: Any) -> None:
        handle_error(*arguments)
        failed.set()

    monkeypatch.setattr(listener._Server, "handle_error", noticed)
    with Listener(Health([]), CollectorRegistry()) as listening:
        client = socket.create_connection(("127.0.0.1", listening.port))
        client.sendall(b"GET /healthz HTTP/1.1\r\n")
        # Closed with a linger of 0 it resets the connection.
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        client.close()
        assert failed.wait(10)
    (line,) = [each.getMessage() for each in caplog.records if "a request from" in each.getMessage()]
    assert "ConnectionResetError" in line
    assert capsys.readouterr().err == ""
