"""A worker that may not do what it must ends at its start, and names topic or group, and the operation."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from confluent_kafka.admin import (
    AclBinding,
    AclBindingFilter,
    AclOperation,
    AclPermissionType,
    AdminClient,
    ResourcePatternType,
    ResourceType,
)

from schemas.errors import ShelfwiseError
from schemas.topics import PRODUCTS_CHANGED, REVIEWS_DECIDED, TOPICS
from streams.faust_app import STAGES
from streams.kafka import local
from streams.kafka.cluster import Cluster
from streams.kafka.connection import KafkaConnection
from streams.kafka.rights import check_rights
from streams.kafka.topics import create_topics
from streams.rights import needed_rights
from streams.settings import Settings
from streams.worker import run_worker
from tests.own_kafka import own_kafka
from tests.worker_harness import wait_until

# Everything is allowed that is not denied.
_ACCESS_CONTROL = """
authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer
allow.everyone.if.no.acl.found=true
"""


@pytest.fixture(scope="module")
def guarded() -> Iterator[KafkaConnection]:
    """A Kafka with access control."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(local, "_PROPERTIES", local._PROPERTIES + _ACCESS_CONTROL)
        with own_kafka() as broker:
            yield KafkaConnection(bootstrap_servers=broker.bootstrap_servers)


def deny(connection: KafkaConnection, operation: AclOperation, kind: ResourceType, name: str) -> None:
    """Let nobody do this to a topic or a group, and everybody all else."""
    admin = AdminClient(connection.client_config())
    whoever = (kind, name, ResourcePatternType.LITERAL, "User:*", "*")
    rules = [
        AclBinding(*whoever, AclOperation.ALL, AclPermissionType.ALLOW),
        AclBinding(*whoever, operation, AclPermissionType.DENY),
    ]
    for made in admin.create_acls(rules).values():
        made.result()
    denied = AclBindingFilter(*whoever, operation, AclPermissionType.DENY)
    wait_until(lambda: bool(admin.describe_acls(denied).result()), "the broker to know what is denied")


@pytest.fixture
def settings(guarded: KafkaConnection, topic_prefix: str, tmp_path: Path) -> Settings:
    create_topics(guarded, partitions=1, prefix=topic_prefix)
    return Settings(kafka=guarded, topic_prefix=topic_prefix, partitions=1, data_dir=tmp_path, metrics_port=0)


def refused(settings: Settings) -> str:
    with pytest.raises(ShelfwiseError) as error:
        run_worker(settings)
    assert type(error.value) is ShelfwiseError, "exit code 1"
    return str(error.value)


def test_topics_that_may_not_be_written_and_groups_that_may_not_be_joined_are_named(settings: Settings) -> None:
    """It comes first: no broker of a new cluster coordinates groups yet when it is asked about their rights."""
    names = [settings.topic_prefix + name for name in ("candidates.v1", "products.batched.v1")]
    for name in names:
        deny(settings.kafka, AclOperation.WRITE, ResourceType.TOPIC, name)
    group = settings.group("ranking")
    deny(settings.kafka, AclOperation.READ, ResourceType.GROUP, group)
    told = f"this client may not READ group {group}; WRITE topic {', '.join(names)}; grant"
    assert refused(settings).startswith(told)


@pytest.mark.parametrize("operation", [AclOperation.READ, AclOperation.DESCRIBE])
def test_a_topic_that_may_not_be_read_is_named(settings: Settings, operation: AclOperation) -> None:
    name = settings.topic(REVIEWS_DECIDED)
    deny(settings.kafka, operation, ResourceType.TOPIC, name)
    assert refused(settings).startswith(f"this client may not READ topic {name}; grant it these operations")


def test_a_topic_that_is_missing_and_may_not_be_made_is_named(guarded: KafkaConnection, topic_prefix: str) -> None:
    name = topic_prefix + PRODUCTS_CHANGED.name
    deny(guarded, AclOperation.CREATE, ResourceType.TOPIC, name)
    deny(guarded, AclOperation.CREATE, ResourceType.BROKER, "kafka-cluster")
    with pytest.raises(ShelfwiseError, match=f"topic {name} is not there, and this client may not make it"):
        create_topics(guarded, partitions=1, prefix=topic_prefix, topics=[PRODUCTS_CHANGED])


def test_without_access_control_everything_may_be_done(kafka: Cluster, topic_prefix: str) -> None:
    needed = needed_rights(Settings(topic_prefix=topic_prefix), STAGES)
    check_rights(kafka.connection, needed)
    create_topics(kafka.connection, partitions=1, prefix=topic_prefix, topics=TOPICS)
    check_rights(kafka.connection, needed)
