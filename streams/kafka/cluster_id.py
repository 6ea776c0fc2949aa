"""Identify a cluster, independent of its address."""

from __future__ import annotations

from typing import Final

from confluent_kafka.admin import AdminClient

from streams.kafka.connection import KafkaConnection
from streams.kafka.quiet import Quiet

_SECONDS: Final = 10.0


def cluster_id(connection: KafkaConnection) -> str:
    """Return the id that Kafka gave the cluster, or an empty text if it has none.

    Raises :class:`schemas.errors.KafkaUnavailable`.
    """
    quiet = Quiet(connection)
    admin: AdminClient = quiet.make(AdminClient, connection.client_config())
    return quiet.metadata(admin, _SECONDS).cluster_id or ""
