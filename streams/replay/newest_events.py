"""Find the newest event of each product, by the same rule as recall."""

from __future__ import annotations

from enum import Enum, auto
from typing import NamedTuple

from schemas.errors import InvalidEvent
from schemas.events.product import identify
from streams.clients.partition_reader import PublishedEvent
from workers.precedence import Contenders


class Fate(Enum):
    """What a replay does with an event, and why."""

    REPLAY = auto()
    SUPERSEDED = auto()
    """There is a newer edit of the product on the topic."""
    REMOVED = auto()
    """The product was removed, by this event or by a newer one."""
    INVALID = auto()
    """It breaks the contract and became a dead letter; it can be sent again from there."""


class _Edit(NamedTuple):
    offset: int
    removed: bool


class NewestEvents:
    """The newest event of each product of one partition; needs about 500 bytes per product.

    Of the copies of an event, the latest before the offset ``last`` represents it. So a further replay replays as
    many events as the first one, not twice as many.
    """

    def __init__(self, last: int) -> None:
        self._last = last
        self._edits: dict[str, Contenders[_Edit]] = {}

    def __len__(self) -> int:
        return len(self._edits)

    def add(self, event: PublishedEvent) -> None:
        """Add an event; events that break the contract are ignored."""
        try:
            product_id, updated_at = identify(event.value, event.key)
        except InvalidEvent:
            return
        edits = self._edits.setdefault(product_id, Contenders())
        if event.offset >= self._last and any(event.first_offset == known for known, _ in edits.items):
            return
        edits.add(updated_at, event.first_offset, _Edit(event.offset, event.value is None))

    def fate(self, event: PublishedEvent) -> Fate:
        """Return what to do with an event that was added before."""
        try:
            product_id, _ = identify(event.value, event.key)
        except InvalidEvent:
            return Fate.INVALID
        edits = self._edits.get(product_id)
        newest = None if edits is None else edits.items[-1][1]
        if newest is None or newest.removed:
            return Fate.REMOVED
        return Fate.REPLAY if newest.offset == event.offset else Fate.SUPERSEDED
