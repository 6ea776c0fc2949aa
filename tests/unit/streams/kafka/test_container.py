"""A container is tried only where an engine answers, and never left behind."""

from __future__ import annotations

import sys
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Self

import pytest

from schemas.errors import KafkaUnavailable
from streams.kafka import container


class Engine:
    """What testcontainers would start, with its calls recorded."""

    def __init__(self, host: str = "localhost", *, fails: bool = False) -> None:
        self.address, self.fails = host, fails
        self.ports: dict[str, Any] = {}
        self.environment: dict[str, str] = {}
        self.running = False

    def __call__(self, image: str) -> Self:
        self.image = image
        return self

    def get_docker_client(self) -> Self:
        return self

    def host(self) -> str:
        return self.address

    def with_bind_ports(self, port: int, host: int) -> None:
        self.ports[f"{port}"] = host

    def with_env(self, name: str, value: str) -> None:
        self.environment[name] = value

    def __enter__(self) -> Self:
        if self.fails:
            raise OSError("manifest unknown")
        self.running = True
        return self

    def __exit__(self, *_: object) -> None:
        self.running = False


def _use(monkeypatch: pytest.MonkeyPatch, engine: Engine, *, ready: bool) -> None:
    monkeypatch.setattr(container, "docker_problem", lambda: None)
    monkeypatch.setattr(container, "wait_until_ready", lambda *_: ready)
    monkeypatch.setattr("testcontainers.core.container.DockerContainer", engine)


def test_a_container_is_on_loopback_alone_and_stops_with_its_stack(monkeypatch: pytest.MonkeyPatch) -> None:
    engine = Engine()
    _use(monkeypatch, engine, ready=True)
    with ExitStack() as stack:
        servers = container.start_container(stack)
        states = [engine.running]
    assert [*states, engine.running] == [True, False]
    address, port = engine.ports["9092/tcp"]
    assert servers == f"127.0.0.1:{port}"
    assert address == "127.0.0.1"
    assert engine.environment["KAFKA_ADVERTISED_LISTENERS"] == f"PLAINTEXT://{servers}"


def test_clients_of_a_remote_engine_are_sent_to_its_host(monkeypatch: pytest.MonkeyPatch) -> None:
    engine = Engine("build.example")
    _use(monkeypatch, engine, ready=True)
    with ExitStack() as stack:
        assert container.start_container(stack) == f"build.example:{engine.ports['9092']}"


def test_a_container_that_does_not_become_ready_is_stopped_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    engine = Engine()
    _use(monkeypatch, engine, ready=False)
    with ExitStack() as stack:
        with pytest.raises(KafkaUnavailable, match="did not answer within 120 s"):
            container.start_container(stack)
        assert not engine.running


def test_an_image_that_cannot_be_pulled_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    _use(monkeypatch, Engine(fails=True), ready=True)
    with ExitStack() as stack, pytest.raises(KafkaUnavailable, match=r"apache/kafka:\S+ did not start: manifest"):
        container.start_container(stack)


def test_a_socket_that_nobody_listens_on_is_no_engine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/docker.sock")
    assert container.docker_problem() == f"no Docker engine listens on {tmp_path}/docker.sock"


@pytest.mark.parametrize("host", ["tcp://127.0.0.1:9", "no address at all", "unix://"])
def test_an_engine_that_does_not_answer_is_no_error(monkeypatch: pytest.MonkeyPatch, host: str) -> None:
    monkeypatch.setenv("DOCKER_HOST", host)
    assert "no Docker engine" in str(container.docker_problem())


def test_without_testcontainers_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "testcontainers", None)
    assert "'.[demo]'" in str(container.docker_problem())
