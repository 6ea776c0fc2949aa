"""The keys and values of one partition of a table, as the agents see them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol


class Entries(Protocol):
    """Encoded values by key."""

    def get(self, key: bytes, /) -> bytes | None:
        """Return a value, or ``None``."""

    def __setitem__(self, key: bytes, value: bytes, /) -> None:
        """Set a value."""


EntriesOf = Callable[[int], Entries]
"""Gives a partition of a table that this worker owns, whatever event is worked on."""
