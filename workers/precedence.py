"""Which event of a product says how the product is now.

The feed's own ``updated_at`` orders the events that have one, because a feed may publish out of order. An event
without a date, which includes every tombstone, counts as being as new as the newest date before it in its
partition. That leaves two contenders: the last event without a date, and the one with the newest date. The one
published later wins. Each contender is a maximum, so the winner depends neither on the order in which events are
processed nor on how they are grouped into batches.
"""

from __future__ import annotations

from datetime import datetime
from typing import Generic, NamedTuple, TypeVar

Item = TypeVar("Item")
NOWHERE = -1
"""The offset of an event that does not exist."""


class Newest(NamedTuple):
    """The offsets of both contenders, :data:`NOWHERE` if there is none, and the newest date.

    They are the offsets at which the events were first published. If there is a date, ``dated`` may still be
    :data:`NOWHERE`: its event then came before ``undated``, and its exact offset does not matter.
    """

    undated: int = NOWHERE
    dated: int = NOWHERE
    updated_at: datetime | None = None

    @classmethod
    def of(cls, updated_at: datetime | None, first_offset: int) -> Newest:
        """Return what a single event says."""
        return cls(undated=first_offset) if updated_at is None else cls(dated=first_offset, updated_at=updated_at)

    @property
    def first_offset(self) -> int:
        """The offset at which the winning event was first published."""
        return max(self.undated, self.dated)

    def merge(self, other: Newest) -> Newest:
        """Combine both; the operation is associative, commutative and idempotent."""
        undated = max(self.undated, other.undated)
        if self.updated_at is None or other.updated_at is None:
            dated = other if self.updated_at is None else self
        else:
            dated = max(self, other, key=lambda item: (item.updated_at, item.dated))
        return Newest(undated, dated.dated, dated.updated_at)


class Contenders(Generic[Item]):
    """Both contenders of one product, with one item each; of the copies of an event, the last one added stays."""

    __slots__ = ("_dated", "_undated")

    def __init__(self) -> None:
        self._undated: tuple[int, Item] | None = None
        self._dated: tuple[datetime, int, Item] | None = None

    def add(self, updated_at: datetime | None, first_offset: int, item: Item) -> Item | None:
        """Add an event, first published at ``first_offset``.

        Returns the item that can no longer win (this one or another), or ``None``.
        """
        if updated_at is None:
            if self._undated is not None and first_offset < self._undated[0]:
                return item
            out = self._undated
            self._undated = (first_offset, item)
            return None if out is None else out[1]
        if self._dated is not None and (updated_at, first_offset) < self._dated[:2]:
            return item
        before = self._dated
        self._dated = (updated_at, first_offset, item)
        return None if before is None else before[2]

    @property
    def items(self) -> list[tuple[int, Item]]:
        """The offsets and items of the one or two contenders; the last of them wins."""
        found = [] if self._undated is None else [self._undated]
        found += [] if self._dated is None else [self._dated[1:]]
        return sorted(found, key=lambda contender: contender[0])
