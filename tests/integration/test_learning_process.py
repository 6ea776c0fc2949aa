"""Learning beside the stages that decide: a process that lives, fails and ends with its worker."""

from __future__ import annotations

import os
import signal

from tests.process_tree import after_its_end, frozen, running
from tests.worker_harness import Installation, Worker, wait_until

_STALL_SECONDS = 2
_PROGRAM = "streams.learning_process"


def learning_of(worker: Worker) -> int:
    """Return the process that learns for a worker."""
    [process_id] = running(worker.process_id, _PROGRAM)
    return process_id


def test_a_killed_worker_takes_the_process_that_learns_with_it(installation: Installation) -> None:
    with installation.worker() as worker:
        after_its_end(learning_of(worker), worker.kill)


def test_a_worker_whose_learning_has_ended_ends_and_says_why(installation: Installation) -> None:
    with installation.worker() as worker:
        os.kill(learning_of(worker), signal.SIGKILL)
        assert worker.wait() == 1
    assert "learning failed: RuntimeError: the learning process ended with status -9" in worker.log.read_text()


def test_learning_that_ends_by_itself_ends_in_order(installation: Installation) -> None:
    with installation.worker() as worker:
        os.kill(learning_of(worker), signal.SIGTERM)
        assert worker.wait() == 1
    assert "the learning process ended with status 0" in worker.log.read_text()


def test_a_worker_whose_learning_stands_still_is_not_alive(installation: Installation) -> None:
    with installation.worker(stall_seconds=_STALL_SECONDS) as worker:
        with frozen(learning_of(worker)):
            wait_until(lambda: "learning" in worker.stale(), "learning is missed")
            assert worker.answer("/healthz")[0] == 503
        wait_until(lambda: worker.answer("/healthz")[0] == 200, "it is back")


def test_a_worker_is_not_ready_before_it_learns_and_shows_what_that_takes(installation: Installation) -> None:
    with installation.worker() as worker:
        assert b'"learning started":true' in worker.answer("/readyz")[1]
        wait_until(lambda: worker.metric("learning_process_resident_memory_bytes") > 0, "what it takes")
        assert worker.stop() == 0


def test_who_does_not_learn_starts_no_process_for_it(installation: Installation) -> None:
    with installation.worker(learning=False) as worker, installation.worker("recall") as other:
        assert running(worker.process_id, _PROGRAM) == running(other.process_id, _PROGRAM) == []
