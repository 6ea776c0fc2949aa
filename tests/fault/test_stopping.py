"""A worker that is told to stop ends within the stated grace, whatever does not answer."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from streams.kafka.connection import KafkaConnection
from streams.kafka.local import LocalKafka
from tests.process_tree import running
from tests.sample_model import sample_products
from tests.worker_harness import Installation, wait_until

pytestmark = pytest.mark.timeout(300)

DRAIN_SECONDS = 3
GRACE_SECONDS = DRAIN_SECONDS + 30


@pytest.fixture
def installation(broker: LocalKafka, topic_prefix: str, sample_bundle: Path, tmp_path: Path) -> Installation:
    connection = KafkaConnection(bootstrap_servers=broker.bootstrap_servers)
    return Installation(connection, topic_prefix, sample_bundle, tmp_path).create()


@pytest.mark.parametrize("fault", ["stop", "kill", "pause"])
def test_a_worker_that_is_told_to_stop_while_the_broker_is_away_ends_within_the_grace(
    installation: Installation, broker: LocalKafka, fault: str
) -> None:
    with installation.worker(drain_seconds=DRAIN_SECONDS) as worker:
        installation.publish_products(row.product for row in sample_products(3, 2_000))
        wait_until(lambda: worker.metric("shelfwise_event_outcomes_total") > 0, "the first outcomes")
        getattr(broker, fault)()
        try:
            assert worker.stop(GRACE_SECONDS) in (0, 1)
        finally:
            if fault == "pause":
                broker.resume()


def test_a_worker_whose_model_hangs_ends_within_the_grace_and_the_next_one_does_its_work(
    installation: Installation,
) -> None:
    with installation.worker(drain_seconds=DRAIN_SECONDS, session_timeout_seconds=6) as worker:
        [model] = running(worker.process_id, "streams.model_process")
        os.kill(model, signal.SIGSTOP)
        installation.publish_products(row.product for row in sample_products(3, 200))
        wait_until(lambda: worker.metric("shelfwise_batches_in_flight") > 0, "batches in flight")
        assert worker.stop(GRACE_SECONDS) in (0, 1)
    assert installation.uncommitted()
    with installation.worker(session_timeout_seconds=6):
        installation.wait_until_committed()
