"""The lag that is shown is what waits, whatever the broker went through."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from confluent_kafka import Producer

from schemas.topics import PRODUCTS_CHANGED
from streams.intake.ends import PartitionEnds
from streams.kafka.connection import KafkaConnection
from streams.kafka.local import LocalKafka
from streams.kafka.topics import create_topics
from tests.worker_harness import wait_until

TOPIC = PRODUCTS_CHANGED.name
# A client reads the metadata anew every five minutes.
SOON_SECONDS = 30


def append(connection: KafkaConnection, events: int) -> None:
    producer = Producer(connection.producer_config())
    for _ in range(events):
        producer.produce(TOPIC, b"{}", partition=0)
    assert producer.flush(SOON_SECONDS) == 0


@pytest.mark.parametrize("end", [LocalKafka.stop, LocalKafka.kill])
def test_ends_are_told_after_the_broker_was_started_again(
    broker: LocalKafka, end: Callable[[LocalKafka], None]
) -> None:
    connection = KafkaConnection(bootstrap_servers=broker.bootstrap_servers)
    create_topics(connection, partitions=1, topics=[PRODUCTS_CHANGED])
    append(connection, 4)
    ends = PartitionEnds(connection, TOPIC)

    def reaches(offset: int) -> bool:
        ends.refresh([0])
        return ends.known(0) == offset

    wait_until(lambda: reaches(4), "the end")
    end(broker)
    reaches(4)
    broker.start()
    append(connection, 14)
    wait_until(lambda: reaches(18), lambda: f"the end, not {ends.known(0)}", SOON_SECONDS)
