"""Get a real Kafka: the configured cluster, else a container, else a local one from Kafka's jars."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Literal

from schemas.errors import KafkaUnavailable
from streams.kafka.connection import KafkaConnection
from streams.kafka.container import start_container
from streams.kafka.local import LocalKafka


@dataclass(frozen=True, slots=True)
class Cluster:
    """A running Kafka, and how it was obtained."""

    connection: KafkaConnection
    how: Literal["configured", "container", "local"]

    @property
    def bootstrap_servers(self) -> str:
        """Hosts and ports, comma-separated."""
        return self.connection.bootstrap_servers or ""


@contextmanager
def open_cluster(connection: KafkaConnection) -> Iterator[Cluster]:
    """Yield the cluster named in the settings; without one, start a cluster and stop it at the end.

    Raises :class:`KafkaUnavailable` with the three ways and why each of them failed.
    """
    if connection.bootstrap_servers:
        yield Cluster(connection, "configured")
        return
    problems = ["1. no cluster is named: set SHELFWISE_KAFKA__BOOTSTRAP_SERVERS=host:port"]
    with ExitStack() as stack:
        cluster = None
        for number, start in ((2, _start_container), (3, _start_local)):
            try:
                cluster = start(stack)
                break
            except KafkaUnavailable as error:
                problems.append(f"{number}. {error}")
        if cluster is None:
            raise KafkaUnavailable("no Kafka; each of three ways to get one failed:\n" + "\n".join(problems))
        yield cluster


def _start_container(stack: ExitStack) -> Cluster:
    return Cluster(KafkaConnection(bootstrap_servers=start_container(stack)), "container")


def _start_local(stack: ExitStack) -> Cluster:
    try:
        broker = stack.enter_context(LocalKafka())
    except KafkaUnavailable as error:
        raise KafkaUnavailable(f"no local Kafka (Java 17+ and Maven): {error}") from None
    return Cluster(KafkaConnection(bootstrap_servers=broker.bootstrap_servers), "local")
