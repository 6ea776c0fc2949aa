"""A worker that its consumer group will never take says so and ends."""

from __future__ import annotations

from contextlib import closing

from confluent_kafka import Consumer

from schemas.topics import LEARNING_BATCHED
from tests.worker_harness import Installation, wait_until


def test_a_worker_whose_group_has_members_of_another_kind_ends_and_names_the_group(
    installation: Installation,
) -> None:
    """As a version does that gave the group to another client."""
    group = installation.settings().group("learning")
    with closing(Consumer(installation.connection.consumer_config(group))) as other:
        other.subscribe([installation.name(LEARNING_BATCHED)])
        wait_until(lambda: other.poll(0.1) is not None or bool(other.assignment()), "its partitions")
        worker = installation.worker("learning").start()
        try:
            assert worker.wait() == 1
        finally:
            worker.kill()
    told = f"learning failed: ShelfwiseError: group {group} has members of another kind"
    assert told in worker.log.read_text()
