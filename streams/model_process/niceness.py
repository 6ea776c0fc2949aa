"""Run work at a lower CPU priority."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final, Protocol, TypeVar

Result = TypeVar("Result")
_NICENESS: Final = 10


class Caller(Protocol):
    """One of the two functions below."""

    def __call__(self, work: Callable[[], Result], /) -> Result:
        """Do the work; return what it returns, or raise what it raises."""


def in_this_thread(work: Callable[[], Result], /) -> Result:
    """Do the work in the calling thread."""
    return work()


def nicely(work: Callable[[], Result], /) -> Result:
    """Do the work in a thread of lower priority; the calling thread keeps its own."""
    with ThreadPoolExecutor(1, "shelfwise-nicely", initializer=_step_back) as pool:
        return pool.submit(work).result()


def _step_back() -> None:
    """Lower this thread's priority, only on Linux: elsewhere niceness is that of the whole process, nice(2)."""
    if sys.platform == "linux":
        # It is added to the current niceness: a worker that runs nicely itself may not lower it.
        os.nice(_NICENESS)
