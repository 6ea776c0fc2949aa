"""The faults, each a function that acts on a site, and their schedules."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Final

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, AlterConfigOpType, ConfigEntry, ConfigResource, ResourceType

from streams.kafka.connection import KafkaConnection
from streams.tables import PRODUCT_DIGESTS, changelog_topics
from tests.fault.harness.lag import LEARNED
from tests.fault.harness.site import Site
from tests.worker_harness import PARTITIONS, wait_until

SESSION_SECONDS: Final = 6
Deed = Callable[[Site, Random], None]


def kill_worker(site: Site, chance: Random) -> None:
    """Kill any worker with SIGKILL, and start it again."""
    site.restart(chance.choice(site.workers))


def delete_store(site: Site, chance: Random) -> None:
    """Kill a worker, delete its data directory, and start it again."""
    site.restart(chance.choice(site.workers), without_data=True)


def stop_broker(site: Site, chance: Random) -> None:
    """Stop the broker cleanly for up to five seconds."""
    site.broker.stop()
    time.sleep(chance.uniform(0, 5))
    site.broker.start()


def kill_broker(site: Site, _chance: Random) -> None:
    """Kill the broker with SIGKILL, and start it again."""
    site.broker.kill()
    site.broker.start()


def freeze_broker(site: Site, _chance: Random) -> None:
    """Freeze the broker for longer than a session lasts."""
    site.broker.pause()
    time.sleep(SESSION_SECONDS * 1.5)
    site.broker.resume()


def slow_broker(site: Site, chance: Random) -> None:
    """Pause and resume the broker repeatedly, for about ten seconds."""
    for _ in range(20):
        site.broker.pause()
        time.sleep(chance.uniform(0.1, 0.4))
        site.broker.resume()
        time.sleep(chance.uniform(0.05, 0.3))


def scale(site: Site, _chance: Random) -> None:
    """Scale from one worker to three, and back to one."""
    for _ in range(2):
        site.add_worker().wait_until_ready()
    while len(site.workers) > 1:
        site.remove_worker()


def truncate_changelogs(site: Site, chance: Random) -> None:
    """Delete all records of the changelogs while workers run, then restart one of them with its store.

    Kafka does not delete records of a compacted topic, so the topics have the policy "delete" for a while, as in
    the accident that this simulates. The records are not deleted after the kill: a store may lack the last changes
    that the broker accepted, which would then be lost (see :func:`lose_state`).
    """
    topics = changelog_topics(site.installation.settings())
    cut_changelogs(site.installation.connection, [topic.name for topic in topics])
    site.restart(chance.choice(site.workers))


def cut_changelogs(connection: KafkaConnection, names: list[str]) -> None:
    """Delete all records of these topics."""
    consumer = Consumer(connection.consumer_config("ends-of-changelogs"))
    try:
        places = [TopicPartition(name, number) for name in names for number in range(PARTITIONS)]
        ends = [
            TopicPartition(place.topic, place.partition, consumer.get_watermark_offsets(place, 10)[1])
            for place in places
        ]
    finally:
        consumer.close()
    admin = AdminClient(connection.client_config())
    set_config(admin, names, "cleanup.policy", "delete")
    wait_until(lambda: _delete_records(admin, [end for end in ends if end.offset > 0]), "the records are deleted")
    set_config(admin, names, "cleanup.policy", "compact")


def _delete_records(admin: AdminClient, ends: list[TopicPartition]) -> bool:
    """Return whether the records are deleted; the broker may learn of the new policy a moment later."""
    try:
        for future in admin.delete_records(ends).values():
            future.result()
    except KafkaException as error:
        if error.args[0].code() != KafkaError.POLICY_VIOLATION:
            raise
        return False
    return True


def set_config(admin: AdminClient, topics: list[str], name: str, value: str) -> None:
    """Set a configuration of these topics."""
    resources = []
    for topic in topics:
        entry = ConfigEntry(name, value, incremental_operation=AlterConfigOpType.SET)
        resources.append(ConfigResource(ResourceType.TOPIC, topic, incremental_configs=[entry]))
    for future in admin.incremental_alter_configs(resources).values():
        future.result()

    def is_set() -> bool:
        """Return whether the broker uses the value; it learns a little later what its controller has accepted."""
        answers = [future.result() for future in admin.describe_configs(resources).values()]
        return all(answer[name].value == value for answer in answers)

    wait_until(is_set, f"{name}={value} of {topics}")


def lose_state(site: Site, chance: Random) -> None:
    """Kill a worker and delete its data directory and all records of its changelogs, so that its state is lost."""
    worker = chance.choice(site.workers)
    worker.end()
    shutil.rmtree(worker.data, ignore_errors=True)
    topics = changelog_topics(site.installation.settings())
    cut_changelogs(site.installation.connection, [topic.name for topic in topics])
    worker.launch()


def rebuild_statistics(site: Site, _chance: Random) -> None:
    """Lose all state, and then do what docs/state.md tells the operator to do."""
    for worker in site.workers:
        worker.end()
        shutil.rmtree(worker.data, ignore_errors=True)
    installation = site.installation
    admin = AdminClient(installation.connection.client_config())
    names = {topic.name for topic in changelog_topics(installation.settings())}
    cut_changelogs(installation.connection, sorted(names))
    learned = {name for name in names if PRODUCT_DIGESTS not in name}
    for deleted in admin.delete_topics(sorted(learned)).values():
        deleted.result()
    wait_until(lambda: not learned & admin.list_topics(timeout=10).topics.keys(), "the topics are deleted")
    _set_offsets(site, "learning-reader", latest=False)
    _set_offsets(site, "learning", latest=True)
    for worker in site.workers:
        worker.launch()


def _set_offsets(site: Site, name: str, *, latest: bool) -> None:
    connection, group = site.installation.connection, site.installation.settings().group(name)
    consumer = Consumer(connection.consumer_config(group))
    places = [
        TopicPartition(site.installation.name(topic), number)
        for topic in LEARNED[name]
        for number in range(PARTITIONS)
    ]
    bounds = [consumer.get_watermark_offsets(place, 10) for place in places]

    def committed() -> bool:
        """Return whether the group accepted the offsets; it does not while its killed members count as alive."""
        offsets = [
            TopicPartition(place.topic, place.partition, high if latest else low)
            for place, (low, high) in zip(places, bounds, strict=True)
        ]
        try:
            return all(place.error is None for place in consumer.commit(offsets=offsets, asynchronous=False))
        except KafkaException:
            return False

    try:
        wait_until(committed, "offsets of the group are set")
    finally:
        consumer.close()


FAULTS: Final[dict[str, Deed]] = {
    "kill_worker": kill_worker,
    "stop_broker": stop_broker,
    "kill_broker": kill_broker,
    "freeze_broker": freeze_broker,
    "slow_broker": slow_broker,
    "scale": scale,
    "delete_store": delete_store,
    "truncate_changelogs": truncate_changelogs,
    "lose_state": lose_state,
    "rebuild_statistics": rebuild_statistics,
}


@dataclass(frozen=True, slots=True)
class Scheduled:
    """A fault, and the number of committed events at which it happens."""

    at: int
    name: str


def schedule(names: list[str], events: int, chance: Random) -> list[Scheduled]:
    """Spread faults over the first nine tenths of the events, in random order at random places."""
    shuffled = chance.sample(names, len(names))
    places = sorted(chance.uniform(0.02, 0.9) for _ in names)
    return [Scheduled(int(place * events), name) for place, name in zip(places, shuffled, strict=True)]
