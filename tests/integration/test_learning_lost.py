"""What retention deleted before learning had read it is reported, after a start and while a worker runs."""

from __future__ import annotations

import os
import signal
from contextlib import closing

from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient

from schemas.topics import STATISTICS_CHANGED
from tests.worker_harness import Installation, wait_until

# Consumers fetch a megabyte of a partition at once. Smaller messages could all be fetched before they are deleted.
_OVER_HALF_A_FETCH = 600_000


def test_changes_of_statistics_that_were_deleted_unread_are_reported(installation: Installation) -> None:
    connection, topic = installation.connection, installation.name(STATISTICS_CHANGED)
    producer = Producer(connection.producer_config())
    admin = AdminClient(connection.client_config())

    def send(count: int, value: bytes = b"") -> None:
        for _ in range(count):
            producer.produce(topic, value, partition=1)
        assert producer.flush(30) == 0

    def delete(first: int) -> None:
        for done in admin.delete_records([TopicPartition(topic, 1, first)]).values():
            done.result(30)

    def lost() -> float:
        return worker.metric("shelfwise_events_lost_total", topic=topic)

    with installation.worker("learning") as worker:
        group = Consumer(connection.consumer_config(installation.settings().group("learning")))
        with closing(group):
            send(10)
            wait_until(lambda: group.committed([TopicPartition(topic, 1)], 30)[0].offset == 10, "a commit")
        assert worker.stop() == 0
        send(5)
        delete(13)
        worker.start().wait_until_ready()
        told = f"{topic}/1: offsets 10 to 12 were deleted before they were read"
        wait_until(lambda: told in worker.log.read_text(), "the loss before the start")
        assert lost() == 3
        os.kill(worker.process_id, signal.SIGSTOP)
        send(6, os.urandom(_OVER_HALF_A_FETCH))  # the fetch that waits at the broker takes the first
        delete(19)
        os.kill(worker.process_id, signal.SIGCONT)
        wait_until(lambda: lost() >= 6, "the loss while it ran")
