"""Working with what others leave of the CPU."""

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
        """Do the work, and return or raise what that does."""


def at_once(work: Callable[[], Result], /) -> Result:
    """Do the work here."""
    return work()


def nicely(work: Callable[[], Result], /) -> Result:
    """Do the work in a thread that lets others go first; whoever calls this does not become nicer."""
    with ThreadPoolExecutor(1, "shelfwise-nicely", initializer=_step_back) as pool:
        return pool.submit(work).result()


def _step_back() -> None:
    """Only on Linux niceness is of a thread alone, nice(2)."""
    if sys.platform == "linux":
        # Added to its own: to be less nice than a worker that steps back itself is not allowed.
        os.nice(_NICENESS)
