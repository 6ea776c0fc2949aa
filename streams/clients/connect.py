"""Open clients for the cluster in the settings, and check that it can be reached before any work begins."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final
from uuid import uuid4

from confluent_kafka import OFFSET_BEGINNING, OFFSET_END, Consumer, Producer, TopicPartition

from schemas.errors import KafkaUnavailable
from schemas.topics import Topic
from streams.kafka.quiet import Quiet
from streams.settings import Settings

TIMEOUT_SECONDS: Final = 10.0
# Reading the end of a partition and assigning the next one both wait behind a running fetch, which librdkafka
# keeps open for half a second by default.
_IN_TURN: Final = {"fetch.wait.max.ms": 20}


def open_producer(settings: Settings, *topics: Topic) -> Producer:
    """Return an idempotent producer; raises :class:`KafkaUnavailable` if the cluster or a topic is missing."""
    require_address(settings)
    quiet = Quiet(settings.kafka)
    producer: Producer = quiet.make(Producer, settings.kafka.producer_config())
    _partitions(producer, quiet, settings, topics)
    return producer


def open_reader(settings: Settings, topics: Iterable[Topic], *, from_beginning: bool) -> Consumer:
    """Return a consumer of all partitions that joins no group, so that it disturbs no other consumer.

    Raises :class:`KafkaUnavailable` if the cluster or a topic is missing.
    """
    consumer, quiet = _groupless(settings, {})
    start = OFFSET_BEGINNING if from_beginning else OFFSET_END
    found = _partitions(consumer, quiet, settings, topics)
    consumer.assign([TopicPartition(topic, partition, start) for topic, partition in found])
    return consumer


def open_partition_reader(settings: Settings, topic: Topic) -> Consumer:
    """Return a consumer that has no partition yet, joins no group, and gets end-of-partition events.

    Raises :class:`KafkaUnavailable` if the cluster or the topic is missing.
    """
    # Needed because a partition may end with a transaction marker, which no consumer ever gets as a message.
    consumer, quiet = _groupless(settings, {"enable.partition.eof": True, **_IN_TURN})
    _partitions(consumer, quiet, settings, [topic])
    return consumer


def partition_numbers(client: Any, settings: Settings, topic: Topic) -> list[int]:
    """Return the partition numbers of a topic; raises :class:`KafkaUnavailable` if cluster or topic is missing."""
    quiet = Quiet(settings.kafka)
    return sorted(partition for _, partition in _partitions(client, quiet, settings, [topic]))


def require_address(settings: Settings) -> None:
    """Raise :class:`KafkaUnavailable` if the settings name no cluster."""
    if not settings.kafka.bootstrap_servers:
        raise KafkaUnavailable(
            "no Kafka is configured: give --bootstrap-servers HOST:PORT or set SHELFWISE_KAFKA__BOOTSTRAP_SERVERS;"
            " `shelfwise kafka` runs a local one"
        )


def _groupless(settings: Settings, overrides: Mapping[str, Any]) -> tuple[Consumer, Quiet]:
    require_address(settings)
    quiet = Quiet(settings.kafka)
    config = settings.kafka.consumer_config(settings.group(f"reader-{uuid4()}"), overrides)
    return quiet.make(Consumer, config), quiet


def _partitions(client: Any, quiet: Quiet, settings: Settings, topics: Iterable[Topic]) -> list[tuple[str, int]]:
    known = quiet.metadata(client, TIMEOUT_SECONDS).topics
    found = []
    for topic in topics:
        name = settings.topic(topic)
        if name not in known:
            raise KafkaUnavailable(
                f"{settings.kafka.bootstrap_servers} has no topic {name} that this client may see; make it with"
                " `shelfwise topics create`, or let the client DESCRIBE it"
            )
        found += [(name, partition) for partition in known[name].partitions]
    return found
