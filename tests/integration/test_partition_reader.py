"""A topic is read partition by partition."""

from __future__ import annotations

from confluent_kafka import Producer

from schemas.topics import PRODUCTS_DEAD_LETTER
from streams.clients.partition_reader import read_topic
from streams.kafka.cluster import Cluster
from streams.kafka.topics import create_topics
from streams.settings import Settings

PARTITIONS = 8


def test_partitions_are_read_to_their_ends_one_after_the_other(kafka: Cluster, topic_prefix: str) -> None:
    settings = Settings(kafka=kafka.connection, topic_prefix=topic_prefix, partitions=PARTITIONS)
    create_topics(kafka.connection, partitions=PARTITIONS, prefix=topic_prefix, topics=[PRODUCTS_DEAD_LETTER])
    producer = Producer(kafka.connection.producer_config())
    for number in range(PARTITIONS):
        producer.produce(settings.topic(PRODUCTS_DEAD_LETTER), b"value", partition=number)
    producer.flush()
    assert [event.partition for event in read_topic(settings, PRODUCTS_DEAD_LETTER)] == list(range(PARTITIONS))
