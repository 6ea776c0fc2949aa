"""What is loaded beside a model that decides takes what that leaves of the CPU."""

from __future__ import annotations

import os
import subprocess
import sys
import threading

import pytest

from streams.model_process.niceness import in_this_thread, nicely

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="other systems know no niceness of threads")


def niceness() -> int:
    return os.getpriority(os.PRIO_PROCESS, threading.get_native_id())


def test_what_is_decided_meanwhile_goes_before_what_is_done_nicely() -> None:
    before = niceness()
    assert nicely(niceness) == min(before + 10, 19)
    assert in_this_thread(niceness) == niceness() == before


def test_what_is_raised_comes_back() -> None:
    def fail() -> None:
        raise IndexError("no such row")

    with pytest.raises(IndexError, match="no such row"):
        nicely(fail)


def test_the_libraries_of_a_model_are_not_imported_before_its_process_can_step_back() -> None:
    program = "import sys, streams.model_process.__main__; print(*sys.modules)"
    imported = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    assert not {"numpy", "xgboost", "faiss", "faust", "pydantic"} & set(imported.split())
