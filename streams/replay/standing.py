"""Which event of each product stands: the newest, by the rule that recall itself goes by."""

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
    """A newer edit of the product lies on the topic."""
    REMOVED = auto()
    """The product was removed, by this event or by a newer one."""
    INVALID = auto()
    """It breaks the contract, and became a dead letter: to be sent again from there."""


class _Edit(NamedTuple):
    offset: int
    removed: bool


class Standing:
    """The newest event of each product of one partition: some 500 bytes a product.

    Of the copies of one event the latest before the offset ``last`` stands for it, so that each further replay
    brings as many events as the first, and not twice as many.
    """

    def __init__(self, last: int) -> None:
        self._last = last
        self._edits: dict[str, Contenders[_Edit]] = {}

    def __len__(self) -> int:
        return len(self._edits)

    def add(self, event: PublishedEvent) -> None:
        """Take in an event; one that breaks the contract says nothing of a product."""
        try:
            product_id, updated_at = identify(event.value, event.key)
        except InvalidEvent:
            return
        edits = self._edits.setdefault(product_id, Contenders())
        place = event.first_offset
        if event.offset >= self._last and any(place == known for known, _ in edits.items):
            return
        edits.add(updated_at, place, _Edit(event.offset, event.value is None))

    def fate(self, event: PublishedEvent) -> Fate:
        """Return what is to be done with an event that was added before."""
        try:
            product_id, _ = identify(event.value, event.key)
        except InvalidEvent:
            return Fate.INVALID
        edits = self._edits.get(product_id)
        newest = None if edits is None else edits.items[-1][1]
        if newest is None or newest.removed:
            return Fate.REMOVED
        return Fate.REPLAY if newest.offset == event.offset else Fate.SUPERSEDED
