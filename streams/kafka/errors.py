"""What an error that Kafka tells means for the client that is told."""

from __future__ import annotations

from confluent_kafka import KafkaError


def ends_client(error: KafkaError) -> bool:
    """Return whether the client can do nothing more, as one that another client with its instance id has fenced.

    The error of a consumer's message says so by its code alone: its ``fatal()`` is false (confluent-kafka 2.16).
    """
    return error.code() == KafkaError._FATAL or error.fatal()
