"""A bundle takes the place of another while events flow."""

from __future__ import annotations

import os
import signal
from functools import partial
from pathlib import Path

from streams.kafka.cluster import Cluster
from tests.process_tree import running
from tests.sample_model import fit_sample, sample_products
from tests.worker_harness import Installation, Worker, by_source, decisions, wait_until
from workers.bundle.files import read_manifest

_PROGRAM = "streams.model_process"


def _says(worker: Worker, text: str) -> bool:
    return text in worker.log.read_text()


def test_two_workers_turn_to_another_model_and_every_event_is_decided_once_and_at_the_first_attempt(
    kafka: Cluster, topic_prefix: str, sample_bundle: Path, tmp_path: Path
) -> None:
    bundle, turned = tmp_path / "current", tmp_path / "turned"
    bundle.symlink_to(sample_bundle)
    turned.symlink_to(fit_sample(tmp_path / "later", seed=9))
    versions = [read_manifest(path).model_version for path in (bundle, turned)]
    installation = Installation(kafka.connection, topic_prefix, bundle, tmp_path).create()
    products = iter([row.product for row in sample_products(8, 10_000)])
    published = 0

    def publish(count: int) -> None:
        nonlocal published
        installation.publish_products(next(products) for _ in range(count))
        published += count

    def a_later_model_decides() -> bool:
        publish(50)
        installation.wait_until_committed()
        return any(decision.model_version == versions[1] for decision in decisions(installation))

    quick = {"bundle_poll_seconds": 0.5, "bundle_overlap_seconds": 5, "learning": False}
    with installation.worker(**quick) as first, installation.worker(**quick) as second:
        publish(500)
        os.replace(turned, bundle)
        wait_until(a_later_model_decides, "the later model decides")
        for worker in (first, second):
            wait_until(partial(_says, worker, f"model {versions[1]}, gate"), "the worker says so")
            assert worker.metric("shelfwise_batch_resends_total") == 0
            assert worker.stop() == 0
    found = decisions(installation)
    assert {decision.model_version for decision in found} == set(versions)
    assert len(found) == len(by_source(found)) == published


def test_a_model_whose_process_dies_while_it_is_loaded_changes_nothing_and_is_loaded_again(
    kafka: Cluster, topic_prefix: str, sample_bundle: Path, tmp_path: Path
) -> None:
    bundle, turned = tmp_path / "current", tmp_path / "turned"
    bundle.symlink_to(sample_bundle)
    turned.symlink_to(fit_sample(tmp_path / "later", seed=9))
    later = read_manifest(turned).model_version
    installation = Installation(kafka.connection, topic_prefix, bundle, tmp_path).create()
    with installation.worker(bundle_poll_seconds=0.5, bundle_overlap_seconds=1, learning=False) as worker:
        [first] = running(worker.process_id, _PROGRAM)
        os.replace(turned, bundle)
        wait_until(lambda: len(running(worker.process_id, _PROGRAM)) == 2, "the later model is loaded")
        [loading] = {*running(worker.process_id, _PROGRAM)} - {first}
        os.kill(loading, signal.SIGKILL)
        wait_until(lambda: _says(worker, "look at the memory limit); still"), "its end is told")
        wait_until(lambda: _says(worker, f"model {later}, gate"), "it is loaded again")
        wait_until(lambda: len(running(worker.process_id, _PROGRAM)) == 1, "the one before is let go")
        published = installation.publish_products(row.product for row in sample_products(7, 50))
        installation.wait_until_committed()
        assert worker.stop() == 0
    found = decisions(installation)
    assert {decision.model_version for decision in found} == {later}
    assert set(by_source(found)) == set(published)
