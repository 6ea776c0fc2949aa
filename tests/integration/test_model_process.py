"""The model beside the stages that ask it: a process that lives, fails and ends with its worker."""

from __future__ import annotations

import os
import signal
from contextlib import suppress
from pathlib import Path

from tests.process_tree import after_its_end, children, frozen, running
from tests.sample_model import sample_products
from tests.worker_harness import Installation, Worker, by_source, decisions, wait_until

_STALL_SECONDS = 2
_PROGRAM = "streams.model_process"


def model_of(worker: Worker) -> int:
    """Return the process of a worker's model."""
    [process_id] = running(worker.process_id, _PROGRAM)
    return process_id


def test_a_killed_worker_takes_the_process_of_its_model_with_it(installation: Installation) -> None:
    with installation.worker(learning=False) as worker:
        after_its_end(model_of(worker), worker.kill)


def test_a_worker_whose_model_is_killed_ends_says_why_and_loses_no_event(installation: Installation) -> None:
    published = installation.publish_products(row.product for row in sample_products(4, 3_000))
    with installation.worker(learning=False) as worker:
        wait_until(lambda: bool(decisions(installation)), "it decides")
        os.kill(model_of(worker), signal.SIGKILL)
        assert worker.wait() == 1
    assert (
        "model failed: RuntimeError: the model process ended with status -9 (killed; by the system, if memory ran"
        in worker.log.read_text()
    )
    with installation.worker(learning=False):
        installation.wait_until_committed()
    assert set(by_source(decisions(installation))) == set(published)


def test_a_worker_whose_model_stands_still_is_not_alive_and_goes_on_with_it(installation: Installation) -> None:
    with installation.worker(learning=False, stall_seconds=_STALL_SECONDS) as worker:
        with frozen(model_of(worker)):
            published = installation.publish_products(row.product for row in sample_products(5, 10))
            wait_until(lambda: "recall" in worker.stale(), "the model is missed")
            assert worker.answer("/healthz")[0] == 503
        wait_until(lambda: worker.answer("/healthz")[0] == 200, "it is back")
        installation.wait_until_committed()
    assert set(by_source(decisions(installation))) == set(published)


def test_a_worker_shows_what_its_model_takes_and_which_it_is(installation: Installation) -> None:
    with installation.worker(learning=False) as worker:
        assert b'"model loaded":true' in worker.answer("/readyz")[1]
        assert worker.metric("model_process_resident_memory_bytes") > 0
        assert worker.metric("shelfwise_model_info", gate="not_gated") == 1
        model = model_of(worker)
        after_its_end(model, worker.stop)
        assert worker.wait() == 0


def test_a_worker_that_is_told_to_stop_with_all_its_processes_finishes_what_is_in_flight(
    installation: Installation,
) -> None:
    """As systemd does by default."""
    with installation.worker() as worker:
        published = installation.publish_products(row.product for row in sample_products(6, 2_000))
        wait_until(lambda: bool(decisions(installation)), "it decides")
        beside = children(worker.process_id)
        worker.terminate()
        for process_id in beside:
            with suppress(ProcessLookupError):  # by now the worker may have let it end
                os.kill(process_id, signal.SIGTERM)
        assert worker.wait() == 0
        assert "intake has drained; 0 batches are left" in worker.log.read_text()
    decided = by_source(decisions(installation))
    for partition, (committed, _) in installation.uncommitted().items():
        assert {place for place in published if place[0] == partition and place[1] < committed} <= set(decided)


def test_a_worker_without_a_model_that_can_be_used_ends_and_says_why(
    installation: Installation, tmp_path: Path
) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    worker = installation.worker(bundle=empty, learning=False)
    worker.start()
    assert worker.wait() == 1
    log = worker.log.read_text()
    assert f"{empty} is no model bundle" in log
    assert "Traceback" not in log
