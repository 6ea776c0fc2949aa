"""The local Kafka is a real one: it keeps data through a crash, and its topics are those of the table."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from aiokafka import AIOKafkaConsumer
from confluent_kafka import Consumer, KafkaError, Message, Producer
from confluent_kafka.admin import AdminClient, ConfigResource, ResourceType
from pydantic import SecretStr

from schemas.errors import InvalidSettings, KafkaUnavailable
from schemas.topics import CANDIDATES, CATEGORIES_ASSIGNED, PRODUCTS_CHANGED, TOPICS, Topic
from streams.child_process import spawn
from streams.kafka.cluster import Cluster
from streams.kafka.connection import KafkaConnection
from streams.kafka.local import LocalKafka
from streams.kafka.ready import free_port
from streams.kafka.topics import create_topics
from tests.process_tree import after_its_end, children


def _send(servers: str, topic: str, values: list[bytes]) -> None:
    producer = Producer(KafkaConnection(bootstrap_servers=servers).producer_config())
    refused: list[KafkaError] = []
    for value in values:
        producer.produce(topic, value, on_delivery=lambda error, _: refused.append(error) if error else None)
    assert producer.flush(30) == 0
    assert refused == []


def _read(servers: str, topic: str, count: int) -> list[bytes]:
    consumer = Consumer(KafkaConnection(bootstrap_servers=servers).consumer_config("reader"))
    consumer.subscribe([topic])
    found: list[Message] = []
    deadline = time.monotonic() + 60
    while len(found) < count and time.monotonic() < deadline:
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


def test_topics_that_agree_on_another_number_of_partitions_name_the_setting(
    kafka: Cluster, topic_prefix: str
) -> None:
    create_topics(kafka.connection, partitions=2, prefix=topic_prefix)
    with pytest.raises(
        InvalidSettings, match=r"have 2 partitions, the settings say 4: set SHELFWISE_PARTITIONS=2"
    ):
        create_topics(kafka.connection, partitions=4, prefix=topic_prefix)


@pytest.mark.parametrize(("topic", "mebibytes"), [(PRODUCTS_CHANGED, 7), (CANDIDATES, 15)])
def test_a_message_of_many_mebibytes_passes(
    kafka: Cluster, topic_prefix: str, topic: Topic, mebibytes: int
) -> None:
    create_topics(kafka.connection, partitions=1, prefix=topic_prefix)
    large = os.urandom(mebibytes * 1024 * 1024)  # random: zeros would be compressed to next to nothing
    _send(kafka.bootstrap_servers, topic_prefix + topic.name, [large])
    assert _read(kafka.bootstrap_servers, topic_prefix + topic.name, 1) == [large]


def test_when_partitions_differ_nothing_is_created(kafka: Cluster, topic_prefix: str) -> None:
    create_topics(kafka.connection, partitions=2, prefix=topic_prefix, topics=[PRODUCTS_CHANGED])
    with pytest.raises(InvalidSettings, match="has 2 partitions"):
        create_topics(kafka.connection, partitions=4, prefix=topic_prefix)
    topics = AdminClient(kafka.connection.client_config()).list_topics(timeout=10).topics
    assert [name for name in topics if name.startswith(topic_prefix)] == [topic_prefix + PRODUCTS_CHANGED.name]


def test_a_topic_kept_otherwise_than_the_table_says_is_reported(kafka: Cluster, topic_prefix: str) -> None:
    other = replace(CATEGORIES_ASSIGNED, cleanup_policy="delete")
    create_topics(kafka.connection, partitions=1, prefix=topic_prefix, topics=[other])
    report = create_topics(kafka.connection, partitions=1, prefix=topic_prefix, topics=[CATEGORIES_ASSIGNED])
    name = topic_prefix + CATEGORIES_ASSIGNED.name
    assert f"topic {name}: cleanup.policy is delete, the table says compact" in report.differences
    assert report.uncompacted == (name,)


@pytest.mark.parametrize("codec", ["none", "gzip", "snappy", "lz4", "zstd"])
def test_fausts_consumer_reads_whatever_compression_a_publisher_chose(
    kafka: Cluster, topic_prefix: str, codec: str
) -> None:
    create_topics(kafka.connection, partitions=1, prefix=topic_prefix, topics=[PRODUCTS_CHANGED])
    topic, value = topic_prefix + PRODUCTS_CHANGED.name, b"compressible " * 1000
    producer = Producer(kafka.connection.producer_config({"compression.type": codec}))
    producer.produce(topic, value)
    assert producer.flush(30) == 0

    async def read() -> bytes | None:
        async with AIOKafkaConsumer(
            topic, bootstrap_servers=kafka.bootstrap_servers, auto_offset_reset="earliest"
        ) as consumer:
            return (await asyncio.wait_for(consumer.getone(), 30)).value

    assert asyncio.run(read()) == value


def test_a_running_broker_is_not_started_twice(broker: LocalKafka) -> None:
    with pytest.raises(RuntimeError, match="runs already"):
        broker.start()
    assert create_topics(KafkaConnection(bootstrap_servers=broker.bootstrap_servers), partitions=1).created


def test_a_broker_that_cannot_start_says_why() -> None:
    with closing(socket.socket()) as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        broker = LocalKafka()
        broker._controller_port = taken.getsockname()[1]
        with pytest.raises(KafkaUnavailable, match="Address already in use"):
            broker.start()
    assert broker.log_file.exists()
    shutil.rmtree(broker.directory)


def test_a_broker_of_another_program_is_not_taken_for_ours(broker: LocalKafka, tmp_path: Path) -> None:
    with pytest.raises(KafkaUnavailable, match=f"port {broker.port} is taken"):
        LocalKafka(tmp_path, port=broker.port).start()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells the children of a process")
def test_the_command_ends_when_its_broker_does(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "streams.cli", "kafka", "--port", str(free_port()), "--dir", str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        while "Ctrl-C" not in process.stdout.readline():
            assert process.poll() is None
        try:
            (broker,) = children(process.pid)
            os.kill(broker, signal.SIGKILL)
            _, told = process.communicate(timeout=60)
        finally:
            process.terminate()
    assert (process.returncode, "error: the local Kafka has ended by itself" in told) == (3, True)


def test_a_broker_that_died_by_itself_leaves_its_log(capsys: pytest.CaptureFixture[str]) -> None:
    with LocalKafka() as broker:
        assert broker.process_id is not None
        after_its_end(broker.process_id, lambda: os.kill(broker.process_id or 0, signal.SIGKILL))
    assert f"the local Kafka died; {broker.log_file}" in capsys.readouterr().err
    assert broker.log_file.exists()
    assert not (broker.directory / "data").exists()
    shutil.rmtree(broker.directory)


_PARENT = """
import sys, time
from pathlib import Path
from streams.child_process import spawn
print(spawn(["sleep", "600"], Path("/dev/null")).pid, flush=True)
time.sleep(600)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a process that its parent died")
def test_a_child_dies_with_its_parent_however_that_dies() -> None:
    with subprocess.Popen([sys.executable, "-c", _PARENT], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        after_its_end(int(parent.stdout.readline()), parent.kill)


def test_a_child_outlives_the_thread_that_asked_for_it(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "go")
    command = ["sh", "-c", f"read line < {tmp_path}/go; exit 7"]
    children: list[subprocess.Popen[bytes]] = []
    thread = threading.Thread(target=lambda: children.append(spawn(command, tmp_path / "output")))
    thread.start()
    thread.join()
    with closing(os.fdopen(os.open(tmp_path / "go", os.O_RDWR), "wb", buffering=0)) as go:
        go.write(b"on\n")
        assert children[0].wait(30) == 7


def test_a_broker_that_takes_no_login_is_not_waited_for(kafka: Cluster) -> None:
    connection = KafkaConnection(
        bootstrap_servers=kafka.bootstrap_servers,
        security_protocol="SASL_PLAINTEXT",
        sasl_mechanism="PLAIN",
        sasl_username="feed",
        sasl_password=SecretStr("hunter2"),
    )
    with pytest.raises(InvalidSettings, match=r"refuses the login .*SHELFWISE_KAFKA__SASL_USERNAME") as refused:
        create_topics(connection, partitions=1)
    assert "hunter2" not in str(refused.value)
