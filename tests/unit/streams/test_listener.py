from __future__ import annotations

import urllib.request

import pytest
from prometheus_client import CollectorRegistry

from schemas.errors import InvalidSettings
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
