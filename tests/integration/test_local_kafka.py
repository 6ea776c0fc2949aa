"""The local Kafka is a real one: it keeps data through a crash, and its topics are those of the table."""

from __future__ import annotations

import pytest
from confluent_kafka import Consumer, Message, Producer
from confluent_kafka.admin import AdminClient, ConfigResource, ResourceType

from schemas.errors import KafkaUnavailable
from schemas.topics import CATEGORIES_ASSIGNED, PRODUCTS_CHANGED, TOPICS
from streams.kafka.cluster import Cluster
from streams.kafka.connection import KafkaConnection
from streams.kafka.local import LocalKafka
from streams.kafka.topics import create_topics

pytestmark = pytest.mark.integration


def _send(servers: str, topic: str, values: list[bytes]) -> None:
    producer = Producer(KafkaConnection(bootstrap_servers=servers).producer_config())
    for value in values:
        producer.produce(topic, value)
    assert producer.flush(30) == 0


def _read(servers: str, topic: str, count: int) -> list[bytes]:
    consumer = Consumer(KafkaConnection(bootstrap_servers=servers).consumer_config("reader"))
    consumer.subscribe([topic])
    found: list[Message] = []
    while len(found) < count:
        found += [message for message in consumer.consume(count, timeout=1) if message.error() is None]
    consumer.close()
    return sorted(value for message in found if (value := message.value()) is not None)


def test_a_killed_broker_comes_back_on_its_port_with_its_data(broker: LocalKafka) -> None:
    connection = KafkaConnection(bootstrap_servers=broker.bootstrap_servers)
    create_topics(connection, partitions=1, topics=[PRODUCTS_CHANGED])
    _send(broker.bootstrap_servers, PRODUCTS_CHANGED.name, [b"before"])
    broker.kill()
    broker.start()
    _send(broker.bootstrap_servers, PRODUCTS_CHANGED.name, [b"after"])
    assert _read(broker.bootstrap_servers, PRODUCTS_CHANGED.name, 2) == [b"after", b"before"]


def test_a_frozen_broker_goes_on_where_it_stopped(broker: LocalKafka) -> None:
    create_topics(KafkaConnection(bootstrap_servers=broker.bootstrap_servers), partitions=1)
    producer = Producer(KafkaConnection(bootstrap_servers=broker.bootstrap_servers).producer_config())
    broker.pause()
    producer.produce(PRODUCTS_CHANGED.name, b"while frozen")
    assert producer.flush(0.5) == 1
    broker.resume()
    assert producer.flush(30) == 0


def test_topics_are_those_of_the_table(kafka: Cluster, topic_prefix: str) -> None:
    report = create_topics(kafka.connection, partitions=3, prefix=topic_prefix)
    assert set(report.created) == {topic_prefix + topic.name for topic in TOPICS}
    admin = AdminClient(kafka.connection.client_config())
    name = topic_prefix + CATEGORIES_ASSIGNED.name
    assert len(admin.list_topics(name, timeout=10).topics[name].partitions) == 3
    resource = ConfigResource(ResourceType.TOPIC, name)
    config = admin.describe_configs([resource])[resource].result()
    assert config["cleanup.policy"].value == "compact"
    assert create_topics(kafka.connection, partitions=3, prefix=topic_prefix).created == ()


def test_a_topic_with_other_partitions_is_refused_by_name(kafka: Cluster, topic_prefix: str) -> None:
    create_topics(kafka.connection, partitions=2, prefix=topic_prefix)
    with pytest.raises(
        KafkaUnavailable, match=r"has 2 partitions, the settings say 4: set SHELFWISE_PARTITIONS=2"
    ):
        create_topics(kafka.connection, partitions=4, prefix=topic_prefix)


def test_an_event_of_seven_mebibytes_passes(kafka: Cluster, topic_prefix: str) -> None:
    create_topics(kafka.connection, partitions=1, prefix=topic_prefix)
    large = bytes(7 * 1024 * 1024)
    _send(kafka.bootstrap_servers, topic_prefix + PRODUCTS_CHANGED.name, [large])
    assert _read(kafka.bootstrap_servers, topic_prefix + PRODUCTS_CHANGED.name, 1) == [large]
