"""Apache Kafka in a Docker container, by testcontainers."""

from __future__ import annotations

import os
import socket
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Final

from schemas.errors import KafkaUnavailable
from streams.kafka.connection import MAX_MESSAGE_BYTES
from streams.kafka.ready import free_port, wait_until_ready

IMAGE: Final = "apache/kafka:4.1.1"
START_SECONDS: Final = 120.0
_DOCKER_SOCKET: Final = Path("/var/run/docker.sock")


def docker_problem() -> str | None:
    """Return why no container can be started, or ``None`` where a Docker engine answers within 2 seconds."""
    try:
        import docker  # noqa: PLC0415
        import testcontainers  # noqa: F401, PLC0415
    except ImportError:
        return "testcontainers is not installed: pip install 'shelfwise[demo]'"
    if "DOCKER_HOST" not in os.environ and not _listens(_DOCKER_SOCKET):
        return f"no Docker engine listens on {_DOCKER_SOCKET}"
    try:
        client = docker.from_env(timeout=2)
        try:
            client.ping()
        finally:
            client.close()
    except (docker.errors.DockerException, OSError) as error:
        return f"no Docker engine answers ({type(error).__name__})"
    return None


def _listens(path: Path) -> bool:
    with closing(socket.socket(socket.AF_UNIX)) as probe:
        return probe.connect_ex(str(path)) == 0


def start_container(stack: ExitStack) -> str:
    """Start one, stop it with the stack, and return its bootstrap servers; raises :class:`KafkaUnavailable`."""
    if problem := docker_problem():
        raise KafkaUnavailable(f"no Docker container: {problem}")
    from testcontainers.core.container import DockerContainer  # noqa: PLC0415

    # Clients connect to the address that the broker advertises, so the port is chosen before it starts.
    port = free_port()
    container = DockerContainer(IMAGE).with_bind_ports(9092, port)
    for name, value in _environment(port).items():
        container = container.with_env(name, value)
    try:
        stack.enter_context(container)
    except Exception as error:  # testcontainers passes on whatever Docker raises
        raise KafkaUnavailable(f"no Docker container: {IMAGE} did not start: {error}") from error
    servers = f"127.0.0.1:{port}"
    if not wait_until_ready(servers, START_SECONDS):
        raise KafkaUnavailable(f"no Docker container: {IMAGE} did not answer within {START_SECONDS:.0f} s")
    return servers


def _environment(port: int) -> dict[str, str]:
    """One node, broker and controller; the image turns each variable into the broker's property."""
    return {
        "KAFKA_NODE_ID": "1",
        "KAFKA_PROCESS_ROLES": "broker,controller",
        "KAFKA_LISTENERS": "PLAINTEXT://:9092,CONTROLLER://:9093",
        "KAFKA_ADVERTISED_LISTENERS": f"PLAINTEXT://127.0.0.1:{port}",
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
    }
