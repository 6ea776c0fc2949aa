"""The keys and values of one table partition, as the agents see them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol


class Entries(Protocol):
    """Encoded values by key."""

    def get(self, key: bytes, /) -> bytes | None:
        """Return the value of a key, or ``None``."""

    def __setitem__(self, key: bytes, value: bytes, /) -> None:
        """Set the value of a key."""


EntriesOf = Callable[[int], Entries]
"""Returns the entries of a partition that this worker owns, independently of the event being processed."""
