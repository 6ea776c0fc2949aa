from __future__ import annotations

import sys
from pathlib import Path

import pytest

from streams.demo.worker_process import WorkerFailed, WorkerProcess
from streams.settings import Settings

DIES = """
import sys
print("the bundle is damaged")
sys.exit(4)
"""

SERVES = """
import os, signal, threading
from prometheus_client import CollectorRegistry
from streams.health import Health
from streams.listener import Listener

health = Health(("model loaded",))
with Listener(health, CollectorRegistry(), port=int(os.environ["SHELFWISE_METRICS_PORT"])):
    asked = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: asked.set())
    health.condition("model loaded", ready=True)
    asked.wait()
print("drained")
"""


@pytest.fixture
def executable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A stand-in for the interpreter that runs a script of the test instead of the command line."""
    program = tmp_path / "program"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} {tmp_path}/script.py "$@"\n')
    program.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(program))
    return tmp_path / "script.py"


def test_a_worker_that_dies_is_told_with_the_end_of_its_log(executable: Path, tmp_path: Path) -> None:
    executable.write_text(DIES)
    with (
        WorkerProcess(Settings(), tmp_path / "worker.log") as worker,
        pytest.raises(WorkerFailed, match=r"status 4; its log, .*\n.*the bundle is damaged"),
    ):
        worker.wait_until_ready(lambda _: None)


def test_a_worker_is_waited_for_and_ended_in_order(executable: Path, tmp_path: Path) -> None:
    executable.write_text(SERVES)
    with WorkerProcess(Settings(), tmp_path / "worker.log") as worker:
        worker.wait_until_ready(lambda _: None)
        worker.check()
    assert "drained" in (tmp_path / "worker.log").read_text()
    with pytest.raises(WorkerFailed, match="status 0"):
        worker.check()
