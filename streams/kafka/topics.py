"""Create the topics in the table, and report how existing ones differ from it."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient, ConfigResource, NewTopic, ResourceType, TopicMetadata

from schemas.errors import InvalidSettings, KafkaUnavailable, ShelfwiseError
from schemas.topics import TOPICS, Topic
from streams.kafka.connection import KafkaConnection
from streams.kafka.partition_numbers import wrong_numbers
from streams.kafka.quiet import Quiet
from streams.kafka.rights import UNAUTHORIZED

_SECONDS: Final = 30.0
_POLL_SECONDS: Final = 0.02


@dataclass(frozen=True, slots=True)
class TopicsReport:
    """``created`` and ``existing`` are topic names; ``differences`` has one sentence per difference.

    ``uncompacted`` are topics that expire although the table says that they are compacted forever.
    """

    created: tuple[str, ...]
    existing: tuple[str, ...]
    differences: tuple[str, ...]
    uncompacted: tuple[str, ...] = ()


def create_topics(
    connection: KafkaConnection,
    *,
    partitions: int,
    replication_factor: int = 1,
    prefix: str = "",
    topics: Sequence[Topic] = TOPICS,
) -> TopicsReport:
    """Create missing topics and wait until all are visible; existing topics are left as they are.

    Raises :class:`KafkaUnavailable` if the cluster does not answer or refuses, :class:`ShelfwiseError` if this
    client may not create topics, and :class:`InvalidSettings` if the cluster does not let us in or has a topic
    with another number of partitions: a batch keeps its partition number through all topics, so the numbers must
    be equal.
    """
    quiet = Quiet(connection)
    admin: AdminClient = quiet.make(AdminClient, connection.client_config())
    wanted = {prefix + topic.name: topic for topic in topics}
    before: dict[str, TopicMetadata] = quiet.awaited_metadata(admin).topics
    try:
        _refuse_other_partitions({name: before[name] for name in wanted if name in before}, partitions)
        missing = [name for name in wanted if name not in before]
        _create(admin, {name: wanted[name] for name in missing}, partitions, replication_factor)
        _wait_until_visible(admin, wanted, partitions)
        existing = [name for name in wanted if name in before]
        differences = _differences(admin, {name: wanted[name] for name in existing})
    except KafkaException as error:
        raise KafkaUnavailable(f"{connection.bootstrap_servers}: {error.args[0].str()}") from None
    uncompacted = [
        difference.topic
        for difference in differences
        if difference.setting == "cleanup.policy" and wanted[difference.topic].cleanup_policy == "compact"
    ]
    sentences = tuple(map(str, differences))
    return TopicsReport(tuple(missing), tuple(existing), sentences, tuple(uncompacted))


@dataclass(frozen=True, slots=True)
class _Difference:
    topic: str
    setting: str
    text: str

    def __str__(self) -> str:
        return f"topic {self.topic}: {self.text}"


def _create(admin: AdminClient, topics: dict[str, Topic], partitions: int, replication_factor: int) -> None:
    if not topics:
        return
    new = [
        NewTopic(name, num_partitions=partitions, replication_factor=replication_factor, config=topic.config())
        for name, topic in topics.items()
    ]
    for name, future in admin.create_topics(new, request_timeout=_SECONDS).items():
        try:
            future.result()
        except KafkaException as error:
            if error.args[0].code() in UNAUTHORIZED:
                raise ShelfwiseError(
                    f"topic {name} is not there, and this client may not make it: grant it CREATE, or let one that"
                    " may make the topics"
                ) from None
            # Another worker that starts at the same time may be faster.
            if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
                raise


def _wait_until_visible(admin: AdminClient, wanted: dict[str, Topic], partitions: int) -> None:
    deadline = time.monotonic() + _SECONDS
    while True:
        seen = admin.list_topics(timeout=_SECONDS).topics
        ready = {
            name: topic
            for name, topic in seen.items()
            if name in wanted
            and topic.partitions
            and all(partition.leader >= 0 for partition in topic.partitions.values())
        }
        if len(ready) == len(wanted):
            # Check again: another worker with other settings may have created some of them meanwhile.
            _refuse_other_partitions(ready, partitions)
            return
        if time.monotonic() > deadline:
            raise KafkaUnavailable(
                f"topics not visible after {_SECONDS:.0f} s: {sorted(set(wanted) - set(ready))}"
            )
        time.sleep(_POLL_SECONDS)


def _refuse_other_partitions(existing: dict[str, TopicMetadata], partitions: int) -> None:
    found = {name: len(topic.partitions) for name, topic in existing.items() if topic.partitions}
    if problem := wrong_numbers(found, partitions):
        raise InvalidSettings(problem)


def _differences(admin: AdminClient, topics: dict[str, Topic]) -> list[_Difference]:
    if not topics:
        return []
    resources = [ConfigResource(ResourceType.TOPIC, name) for name in topics]
    found = []
    for resource, future in admin.describe_configs(resources).items():
        try:
            actual = future.result()
        except KafkaException as error:
            # Reading the configuration needs a right of its own; without it the topics can still be used.
            text = f"its settings cannot be read: {error.args[0].str()}"
            found.append(_Difference(resource.name, "", text))
            continue
        for key, value in topics[resource.name].config().items():
            if key in actual and actual[key].value != value:
                text = f"{key} is {actual[key].value}, the table says {value}"
                found.append(_Difference(resource.name, key, text))
    return found
