"""A worker whose topics or cluster are changed under it ends; one whose broker is away for a while does not."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from confluent_kafka.admin import AdminClient, NewPartitions

from schemas.topics import CANDIDATES, PRODUCTS_CHANGED, REVIEWS_DECIDED
from streams.kafka.cluster import Cluster
from streams.kafka.connection import KafkaConnection
from streams.kafka.local import LocalKafka
from streams.kafka.topics import create_topics
from streams.kafka.topics_watch import TopicsWatch
from tests.sample_model import sample_products
from tests.worker_harness import Installation, decisions, wait_until

TOPICS = (CANDIDATES, REVIEWS_DECIDED)


def delete_topics(connection: KafkaConnection, prefix: str) -> None:
    """Delete all topics that begin so, and wait until they are gone."""
    admin = AdminClient(connection.client_config())

    def there() -> list[str]:
        return [name for name in admin.list_topics(timeout=10).topics if name.startswith(prefix)]

    for deleted in admin.delete_topics(there()).values():
        deleted.result()
    wait_until(lambda: not there(), "the topics to be gone")


def raise_partitions(connection: KafkaConnection, name: str, partitions: int) -> None:
    """Give a topic more partitions, and wait until it has them."""
    admin = AdminClient(connection.client_config())
    for raised in admin.create_partitions([NewPartitions(name, partitions)]).values():
        raised.result()
    wait_until(
        lambda: len(admin.list_topics(name, timeout=10).topics[name].partitions) == partitions,
        "the new partitions",
    )


@pytest.fixture
def watch(kafka: Cluster, topic_prefix: str) -> TopicsWatch:
    create_topics(kafka.connection, partitions=1, prefix=topic_prefix, topics=TOPICS)
    watch = TopicsWatch(kafka.connection, [topic_prefix + topic.name for topic in TOPICS], 1)
    watch.look()
    return watch


def test_a_topic_that_is_gone_is_named_once_two_answers_agree(
    watch: TopicsWatch, kafka: Cluster, topic_prefix: str
) -> None:
    watch.look()
    delete_topics(kafka.connection, topic_prefix + CANDIDATES.name)
    watch.look()
    assert watch.failure is None
    watch.look()
    assert f"{topic_prefix}{CANDIDATES.name} is gone: the cluster at {kafka.bootstrap_servers}" in str(
        watch.failure
    )


def test_topics_made_anew_are_not_taken_for_what_they_were(
    watch: TopicsWatch, kafka: Cluster, topic_prefix: str
) -> None:
    delete_topics(kafka.connection, topic_prefix)
    create_topics(kafka.connection, partitions=1, prefix=topic_prefix, topics=TOPICS)
    for _ in range(2):
        watch.look()
    told = f"topic {topic_prefix}{CANDIDATES.name} (and 1 more) was deleted and made anew"
    assert told in str(watch.failure)


def test_a_topic_that_was_raised_is_named_with_both_numbers_and_the_way_out(
    watch: TopicsWatch, kafka: Cluster, topic_prefix: str
) -> None:
    raise_partitions(kafka.connection, topic_prefix + CANDIDATES.name, 3)
    for _ in range(2):
        watch.look()
    told = str(watch.failure)
    assert f"topic {topic_prefix}{CANDIDATES.name} has 3 partitions, and had 1 when this worker started" in told
    assert "set another SHELFWISE_TOPIC_PREFIX" in told


def test_a_renewable_topic_may_be_gone_and_made_anew_but_not_with_more_partitions(
    kafka: Cluster, topic_prefix: str
) -> None:
    name = topic_prefix + PRODUCTS_CHANGED.name
    watch = TopicsWatch(kafka.connection, [name], 1, renewable=[name])
    create_topics(kafka.connection, partitions=1, prefix=topic_prefix, topics=[PRODUCTS_CHANGED])
    watch.look()
    delete_topics(kafka.connection, topic_prefix)
    for _ in range(2):
        watch.look()
    create_topics(kafka.connection, partitions=1, prefix=topic_prefix, topics=[PRODUCTS_CHANGED])
    for _ in range(2):
        watch.look()
    assert watch.failure is None
    raise_partitions(kafka.connection, name, 2)
    for _ in range(2):
        watch.look()
    assert f"topic {name} has 2 partitions" in str(watch.failure)


def test_a_broker_that_was_away_has_the_topics_that_it_had(broker: LocalKafka) -> None:
    connection = KafkaConnection(bootstrap_servers=broker.bootstrap_servers)
    create_topics(connection, partitions=1, topics=TOPICS)
    watch = TopicsWatch(connection, [topic.name for topic in TOPICS], 1)
    watch.look()
    broker.kill()
    watch.look()
    broker.start()
    for _ in range(3):
        watch.look()
    assert watch.failure is None
    delete_topics(connection, CANDIDATES.name)
    for _ in range(2):
        watch.look()
    assert watch.failure is not None, "it does look"


def test_a_worker_whose_topics_are_made_anew_ends_and_says_so(installation: Installation) -> None:
    with installation.worker() as worker:
        installation.publish_products(row.product for row in sample_products(3, 200))
        installation.wait_until_committed()
        delete_topics(installation.connection, installation.prefix)
        installation.create()
        assert worker.wait() == 1
    assert "topics failed: KafkaUnavailable: topic " in worker.log.read_text()


def test_a_worker_whose_source_topic_alone_is_made_anew_goes_on(installation: Installation) -> None:
    first, *others = [row.product for row in sample_products(3, 200)]
    with installation.worker() as worker:
        installation.publish_products(others)
        installation.wait_until_committed()
        delete_topics(installation.connection, installation.name(PRODUCTS_CHANGED))
        create_topics(
            installation.connection,
            partitions=installation.partitions,
            prefix=installation.prefix,
            topics=[PRODUCTS_CHANGED],
        )
        installation.publish_products([first])
        wait_until(
            lambda: first.product_id in {decision.product_id for decision in decisions(installation)},
            lambda: f"a decision on what the new topic holds; the log ends:\n{worker.log_end()}",
        )
        assert worker.stop() == 0


def test_a_worker_whose_source_topic_is_raised_ends_and_says_so(installation: Installation) -> None:
    name, partitions = installation.name(PRODUCTS_CHANGED), installation.partitions
    with installation.worker() as worker:
        raise_partitions(installation.connection, name, partitions + 1)
        assert worker.wait() == 1
    told = f"topics failed: InvalidSettings: topic {name} has {partitions + 1} partitions, and had {partitions}"
    assert told in worker.log.read_text()


def test_a_worker_whose_cluster_is_replaced_ends_and_says_so(
    broker: LocalKafka, topic_prefix: str, sample_bundle: Path, tmp_path: Path
) -> None:
    connection = KafkaConnection(bootstrap_servers=broker.bootstrap_servers)
    installation = Installation(connection, topic_prefix, sample_bundle, tmp_path).create()
    with installation.worker() as worker:
        broker.stop()
        shutil.rmtree(broker.directory / "data")
        broker.start()
        assert worker.wait() == 1
    assert "topics failed: KafkaUnavailable: topic " in worker.log.read_text()
