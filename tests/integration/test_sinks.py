"""The sink on a real Kafka: acknowledged means kept, in the order it was handed over."""

from __future__ import annotations

import asyncio
import random

import pytest
from confluent_kafka import Consumer, KafkaException, TopicPartition

from schemas.topics import BATCHES_COMPLETED
from streams.kafka.cluster import Cluster
from streams.kafka.connection import MAX_MESSAGE_BYTES
from streams.kafka.topics import create_topics
from streams.outgoing import Outgoing
from streams.sinks import Sink


def _read(cluster: Cluster, topic: str, count: int) -> list[bytes]:
    consumer = Consumer(cluster.connection.consumer_config("reader"))
    consumer.assign([TopicPartition(topic, 1, 0)])
    values: list[bytes] = []
    while len(values) < count:
        values += [message.value() for message in consumer.consume(count, 1.0)]
    consumer.close()
    return values


async def test_what_was_acknowledged_is_kept_in_order(kafka: Cluster, topic_prefix: str) -> None:
    create_topics(kafka.connection, partitions=2, prefix=topic_prefix, topics=[BATCHES_COMPLETED])
    topic = topic_prefix + BATCHES_COMPLETED.name
    sink = Sink(kafka.connection)
    batches = [
        [Outgoing(topic, b"key", b"%d" % (batch * 10 + place), [("name", b"value")], 1) for place in range(10)]
        for batch in range(5)
    ]
    await asyncio.gather(*(sink.send_all(batch) for batch in batches))
    await sink.send_all([])
    assert sink.close(10) == 0
    assert _read(kafka, topic, 50) == [b"%d" % place for place in range(50)]


@pytest.mark.parametrize("size", [BATCHES_COMPLETED.max_message_bytes + 1, MAX_MESSAGE_BYTES + 1])
async def test_what_the_topic_or_the_producer_refuses_raises(kafka: Cluster, topic_prefix: str, size: int) -> None:
    create_topics(kafka.connection, partitions=2, prefix=topic_prefix, topics=[BATCHES_COMPLETED])
    sink = Sink(kafka.connection)
    # Compression does not make it fit.
    value = random.Random(1).randbytes(size)
    with pytest.raises(KafkaException, match=r"MSG_SIZE_TOO_LARGE"):
        await sink.send_all([Outgoing(topic_prefix + BATCHES_COMPLETED.name, None, value, [], 1)])
    sink.close(10)
