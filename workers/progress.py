"""How long-running work reports its progress."""

from __future__ import annotations

from typing import Protocol


class Progress(Protocol):
    """A function that long-running work calls to report progress."""

    def __call__(self, step: str, done: int, total: int) -> None:
        """Report that ``done`` of ``total`` units of a step are done."""


def silent(step: str, done: int, total: int) -> None:
    """Report nothing."""
