"""How long work tells how far it is."""

from __future__ import annotations

from typing import Protocol


class Progress(Protocol):
    """Called as work goes on."""

    def __call__(self, step: str, done: int, total: int) -> None:
        """Say that ``done`` of ``total`` units of a step are done."""


def silent(step: str, done: int, total: int) -> None:
    """Say nothing."""
