"""Workers that are killed at random moments on a real Kafka: no event without a decision."""

from __future__ import annotations

import random
from collections import Counter
from pathlib import Path

import pytest

from streams.kafka.cluster import Cluster
from streams.settings import Settings
from tests.sample_model import sample_products
from tests.worker_harness import Installation, by_source, decisions, wait_until

pytestmark = pytest.mark.timeout(600)

EVENTS = 8_000
KILLS = 3
# Short, so that a successor need not wait long for the partitions of the one that was killed. The statistics stand
# still, but for the test that says otherwise.
SETTINGS = {
    "session_timeout_seconds": 6,
    "completion_timeout_seconds": 10,
    "learning": False,
    "batch_products": 64,
}


@pytest.fixture
def installation(kafka: Cluster, topic_prefix: str, sample_bundle: Path, tmp_path: Path) -> Installation:
    return Installation(kafka.connection, topic_prefix, sample_bundle, tmp_path).create()


def in_flight(settings: Settings) -> int:
    """Return how many events may be in flight: no more can be decided again after a kill."""
    return settings.partitions * settings.window_batches * settings.most_products(settings.partitions)


def test_no_event_is_without_a_decision_after_workers_were_killed_mid_run(
    installation: Installation, capsys: pytest.CaptureFixture[str]
) -> None:
    chance = random.Random(11)
    places = installation.publish_products(row.product for row in sample_products(9, EVENTS))
    for _ in range(KILLS):
        with installation.worker(**SETTINGS) as worker:
            finished = chance.uniform(200, EVENTS / KILLS / 2)
            wait_until(
                lambda: worker.metric("shelfwise_event_outcomes_total") >= finished,  # noqa: B023 - called here
                lambda: f"{finished:.0f} outcomes; the log ends:\n{worker.log_end()}",  # noqa: B023
            )
            worker.kill()
    with installation.worker(**SETTINGS) as worker:
        installation.wait_until_committed(300)
        assert worker.stop() == 0

    everything = decisions(installation)
    decided = by_source(everything)
    repeats = sum(count - 1 for count in Counter(decision.decision_id for decision in everything).values())
    with capsys.disabled():
        print(f"\n{EVENTS} events, {KILLS} kills, {repeats} decisions delivered again")
    assert set(places) - decided.keys() == set()
    assert {len(ids) for ids in decided.values()} == {1}
    assert repeats <= KILLS * in_flight(installation.settings())


def test_an_event_keeps_one_decision_id_even_where_what_was_learned_meanwhile_decides_it_otherwise(
    installation: Installation,
) -> None:
    learning = SETTINGS | {"learning": True, "learning_min_confidence": 0}
    places = installation.publish_products(row.product for row in sample_products(9, EVENTS // 4))
    with installation.worker(**learning) as worker:
        wait_until(lambda: worker.metric("shelfwise_event_outcomes_total") > 100, "some outcomes")
        worker.kill()
    with installation.worker(**learning) as worker:
        installation.wait_until_committed(300)
        assert worker.stop() == 0
    decided = by_source(decisions(installation))
    assert set(places) - decided.keys() == set()
    assert {len(ids) for ids in decided.values()} == {1}


def test_one_of_two_workers_is_killed_and_the_other_takes_over(installation: Installation) -> None:
    with installation.worker(**SETTINGS) as doomed, installation.worker(**SETTINGS) as survivor:
        places = installation.publish_products(row.product for row in sample_products(9, EVENTS // 4))
        wait_until(lambda: doomed.metric("shelfwise_event_outcomes_total") > 100, "the first to work")
        doomed.kill()
        installation.wait_until_committed(300)
        assert survivor.stop() == 0
    decided = by_source(decisions(installation))
    assert decided.keys() == set(places)
    assert {len(ids) for ids in decided.values()} == {1}
