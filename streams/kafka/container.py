"""Run Apache Kafka in a Docker container, with testcontainers."""

from __future__ import annotations

import os
import socket
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any, Final

from schemas.errors import KafkaUnavailable
from streams.kafka.connection import MAX_MESSAGE_BYTES
from streams.kafka.jars import VERSION
from streams.kafka.ready import free_port, wait_until_ready

IMAGE: Final = f"apache/kafka:{VERSION}"
START_SECONDS: Final = 120.0
_PORT: Final = 9092
_PING_SECONDS: Final = 2
_UNIX: Final = "unix://"
_LOCAL_HOSTS: Final = ("localhost", "127.0.0.1")


def docker_problem() -> str | None:
    """Return why no container can be started, or ``None`` if a Docker engine answers within 2 seconds."""
    try:
        import docker  # noqa: PLC0415
        import testcontainers  # noqa: F401, PLC0415
    except ImportError:
        return "testcontainers is not installed: pip install -e '.[demo]' in the checkout"
    # Detects a socket without a listener at once; the Docker client would try again and again.
    host = os.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock")
    if host.startswith(_UNIX) and not _listens(Path(host.removeprefix(_UNIX))):
        return f"no Docker engine listens on {host.removeprefix(_UNIX)}"
    try:
        with closing(docker.from_env(timeout=_PING_SECONDS)) as client:
            client.ping()
    except (docker.errors.DockerException, OSError) as error:
        return f"no Docker engine answers ({type(error).__name__})"
    return None


def _listens(path: Path) -> bool:
    with closing(socket.socket(socket.AF_UNIX)) as probe:
        try:
            probe.connect(str(path))
        except OSError:
            return False
    return True


def start_container(stack: ExitStack) -> str:
    """Start a container that ends with the stack, and return its bootstrap servers.

    Raises :class:`KafkaUnavailable`; a container that does not become ready is stopped first.
    """
    if problem := docker_problem():
        raise KafkaUnavailable(f"no Docker container: {problem}")
    with ExitStack() as attempt:
        try:
            servers = _start(attempt)
        except Exception as error:  # testcontainers passes on any error of Docker
            raise KafkaUnavailable(f"no Docker container: {IMAGE} did not start: {error}") from error
        if not wait_until_ready(servers, START_SECONDS):
            raise KafkaUnavailable(f"no Docker container: {IMAGE} did not answer within {START_SECONDS:.0f} s")
        stack.push(attempt.pop_all())
    return servers


def _start(stack: ExitStack) -> str:
    from testcontainers.core.container import DockerContainer  # noqa: PLC0415

    # Clients connect to the address that the broker advertises, so choose host and port before it starts.
    port = free_port()
    container: Any = DockerContainer(IMAGE)
    host = container.get_docker_client().host()
    if host in _LOCAL_HOSTS:
        # By default Docker publishes on all interfaces; with_bind_ports takes no address, but the client below
        # does.
        host = "127.0.0.1"
        container.ports[f"{_PORT}/tcp"] = (host, port)
    else:
        container.with_bind_ports(_PORT, port)
    servers = f"{host}:{port}"
    for name, value in _environment(servers).items():
        container.with_env(name, value)
    stack.enter_context(container)
    return servers


def _environment(advertised: str) -> dict[str, str]:
    """Return the settings of one node, broker and controller; the image maps variables to properties."""
    return {
        "KAFKA_NODE_ID": "1",
        "KAFKA_PROCESS_ROLES": "broker,controller",
        "KAFKA_LISTENERS": f"PLAINTEXT://:{_PORT},CONTROLLER://:9093",
        "KAFKA_ADVERTISED_LISTENERS": f"PLAINTEXT://{advertised}",
        "KAFKA_CONTROLLER_LISTENER_NAMES": "CONTROLLER",
        "KAFKA_LISTENER_SECURITY_PROTOCOL_MAP": "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT",
        "KAFKA_CONTROLLER_QUORUM_VOTERS": "1@localhost:9093",
        "KAFKA_OFFSETS_TOPIC_REPLICATION_FACTOR": "1",
        "KAFKA_TRANSACTION_STATE_LOG_REPLICATION_FACTOR": "1",
        "KAFKA_TRANSACTION_STATE_LOG_MIN_ISR": "1",
        "KAFKA_GROUP_INITIAL_REBALANCE_DELAY_MS": "0",
        "KAFKA_AUTO_CREATE_TOPICS_ENABLE": "false",
        "KAFKA_MESSAGE_MAX_BYTES": str(MAX_MESSAGE_BYTES),
        "KAFKA_REPLICA_FETCH_MAX_BYTES": str(MAX_MESSAGE_BYTES),
        # As for the local broker: consumer groups of tests join and leave within seconds.
        "KAFKA_GROUP_MIN_SESSION_TIMEOUT_MS": "1000",
    }
