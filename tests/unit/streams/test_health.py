from __future__ import annotations

import http.client
import json
from collections.abc import Iterator

import pytest
from prometheus_client import CollectorRegistry

from schemas.errors import InvalidSettings
from streams.health import Health
from streams.listener import Listener
from streams.metrics import Metrics
from tests.clock import Clock


@pytest.fixture
def health(clock: Clock) -> Health:
    return Health(("tables recovered", "model loaded"), clock=clock)


@pytest.fixture
def listener(health: Health) -> Iterator[Listener]:
    with Listener(health, Metrics(CollectorRegistry()).registry) as listener:
        yield listener


def get(listener: Listener, path: str, method: str = "GET") -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", listener.port, timeout=10)
    try:
        connection.request(method, path)
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()


def test_a_loop_that_beats_within_its_limit_is_alive(health: Health, clock: Clock) -> None:
    health.watch("intake", 10)
    clock.now += 10
    assert health.liveness().ok


def test_a_stale_loop_is_named_and_a_beat_heals_it(health: Health, clock: Clock) -> None:
    health.watch("intake", 10)
    health.watch("recall", 30)
    clock.now += 11
    assert health.liveness().detail["stale"] == ("intake",)
    health.beat("intake")
    assert health.liveness().ok


def test_a_loop_that_never_began_is_stale_once_it_is_watched(health: Health, clock: Clock) -> None:
    health.watch("ranking", 5)
    clock.now += 6
    assert health.liveness().detail["stale"] == ("ranking",)


def test_a_loop_that_ended_on_purpose_is_forgotten(health: Health, clock: Clock) -> None:
    health.watch("learning", 10)
    health.forget("learning")
    clock.now += 1_000
    assert health.liveness().ok


def test_what_is_missing_for_readiness_is_named(health: Health) -> None:
    health.condition("model loaded", ready=True)
    assert health.readiness().detail["missing"] == ("tables recovered",)
    health.condition("tables recovered", ready=True)
    assert health.readiness().ok
    health.condition("tables recovered", ready=False)
    assert not health.readiness().ok


def test_a_process_that_has_stated_nothing_is_not_ready() -> None:
    assert not Health().readiness().ok


def test_the_probes_answer_over_http(listener: Listener, health: Health, clock: Clock) -> None:
    health.watch("intake", 10)
    status, body = get(listener, "/healthz")
    assert (status, json.loads(body)["loops"]["intake"]["limit_seconds"]) == (200, 10)
    clock.now += 11
    status, body = get(listener, "/healthz")
    assert (status, json.loads(body)["stale"]) == (503, ["intake"])
    status, body = get(listener, "/readyz")
    assert (status, json.loads(body)["missing"]) == (503, ["tables recovered", "model loaded"])
    for name in ("tables recovered", "model loaded"):
        health.condition(name, ready=True)
    assert get(listener, "/readyz?verbose=1")[0] == 200


def test_a_scrape_returns_our_metrics(listener: Listener) -> None:
    status, body = get(listener, "/metrics")
    assert status == 200
    assert b"shelfwise_build_info{" in body


def test_a_head_request_has_no_body(listener: Listener) -> None:
    assert get(listener, "/metrics", "HEAD") == (200, b"")


def test_an_unknown_path_says_which_there_are(listener: Listener) -> None:
    status, body = get(listener, "/")
    assert status == 404
    assert b"/metrics, /healthz, /readyz" in body


def test_it_listens_on_loopback_unless_told_otherwise(listener: Listener) -> None:
    assert listener.url == f"http://127.0.0.1:{listener.port}"


def test_an_address_in_use_is_a_clear_error(listener: Listener, health: Health) -> None:
    with pytest.raises(InvalidSettings, match=rf"127\.0\.0\.1:{listener.port}.*port 0"):
        Listener(health, CollectorRegistry(), port=listener.port)
