"""Which cluster it is, whatever its address."""

from __future__ import annotations

from typing import Final

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from schemas.errors import KafkaUnavailable
from streams.kafka.connection import KafkaConnection

_SECONDS: Final = 10.0


def cluster_id(connection: KafkaConnection) -> str:
    """Return the id that Kafka gave the cluster, empty where it has none; raises :class:`KafkaUnavailable`."""
    try:
        found = AdminClient(connection.client_config({"log_level": 0})).list_topics(timeout=_SECONDS).cluster_id
    except KafkaException as error:
        raise KafkaUnavailable(f"{connection.bootstrap_servers}: {error.args[0].str()}") from None
    return found or ""
