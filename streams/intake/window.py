"""The micro-batches of one partition that are in flight, and the offset up to which all is done."""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from schemas.events.batch import EventOutcome
from streams.intake.packer import PackedBatch

MAX_TIMEOUT_SECONDS: Final = 600.0
_FIRST_BACKOFF_SECONDS: Final = 0.5
_MAX_BACKOFF_SECONDS: Final = 30.0


@dataclass(slots=True, eq=False)
class InFlight:
    """A batch that is followed: done when its outcomes are known and its dead letters are acknowledged.

    ``queued`` says that the producer has the batch and the broker has not yet acknowledged it.
    """

    batch: PackedBatch
    due_at: float
    attempt: int = 1
    queued: bool = False
    rejections: int = 0
    outcomes: list[EventOutcome] | None = None
    letters_outstanding: int = 0

    @property
    def done(self) -> bool:
        """Whether nothing of the batch is left to do."""
        return self.outcomes is not None and self.letters_outstanding == 0


@dataclass(slots=True)
class Window:
    """At most ``limit`` batches of one partition in flight; pure bookkeeping, it sends nothing.

    A batch whose completion does not come within ``timeout_seconds`` is due again, the next time after twice as
    long, and so on up to 10 minutes; but not while completions of others come, behind which it may stand. No more
    than the window can come, so that ends. ``clock`` returns seconds that never go back.
    """

    limit: int
    timeout_seconds: float
    clock: Callable[[], float]
    _batches: OrderedDict[str, InFlight] = field(default_factory=OrderedDict)
    _completed_at: float = -math.inf

    def __len__(self) -> int:
        return len(self._batches)

    @property
    def full(self) -> bool:
        """Whether no further batch may be opened."""
        return len(self._batches) >= self.limit

    @property
    def waiting(self) -> int:
        """Batches whose completion is awaited."""
        return sum(item.outcomes is None for item in self._batches.values())

    @property
    def oldest(self) -> InFlight | None:
        """The first batch that is not done, or none."""
        return next((item for item in self._batches.values() if not item.done), None)

    def open(self, batch: PackedBatch) -> InFlight:
        """Follow a batch, later in the partition than any before; one without products awaits no completion."""
        item = InFlight(batch, self.clock() + self._timeout(1), letters_outstanding=len(batch.rejected))
        if not batch.message.products:
            item.outcomes = list(batch.message.settled)
        self._batches[batch.message.batch_id] = item
        return item

    def acknowledged(self, item: InFlight) -> None:
        """Note that the broker has the batch: the wait for its completion begins."""
        item.queued = False
        item.rejections = 0
        item.due_at = self.clock() + self._timeout(item.attempt)

    def refused(self, item: InFlight) -> None:
        """Note that the broker will never have the batch: it is due again after 0.5 s, then 1 s, up to 30 s."""
        item.queued = False
        item.due_at = self.clock() + min(_FIRST_BACKOFF_SECONDS * 2**item.rejections, _MAX_BACKOFF_SECONDS)
        item.rejections = min(item.rejections + 1, 10)

    def complete(self, batch_id: str, outcomes: Sequence[EventOutcome]) -> InFlight | None:
        """Take in a completion, and return the batch.

        Returns ``None`` where it is no news: an unknown batch (of an earlier run), or one completed before. Raises
        :class:`ValueError` where an event of the batch has no outcome: such a completion changes nothing.
        """
        item = self._batches.get(batch_id)
        self._completed_at = self.clock()
        if item is None or item.outcomes is not None:
            return None
        settled = {outcome.offset: outcome for outcome in outcomes}
        expected = [*item.batch.originals, *(outcome.offset for outcome in item.batch.message.settled)]
        if missing := [offset for offset in expected if offset not in settled]:
            raise ValueError(f"batch {batch_id}: the completion says nothing of offsets {missing[:10]}")
        # What intake itself settled stays as it was, whatever the completion says of it.
        settled |= {outcome.offset: outcome for outcome in item.batch.message.settled}
        item.outcomes = [settled[offset] for offset in sorted(expected)]
        return item

    def due(self) -> list[InFlight]:
        """Return the batches to send again now; each counts as sent, with its attempt one higher.

        One that the producer still holds is not due, however long that takes: a copy would only stand behind it.
        """
        now = self.clock()
        if now - self._completed_at < self.timeout_seconds:
            return []
        due = [
            item
            for item in self._batches.values()
            if item.outcomes is None and not item.queued and item.due_at <= now
        ]
        for item in due:
            item.attempt += 1
            item.due_at = now + self._timeout(item.attempt)
        return due

    def settle(self) -> list[InFlight]:
        """Forget the batches that are done and have none before them that is not, and return them in order.

        After the last of them the partition may be committed: every event up to its last offset has its outcome.
        """
        settled = []
        while self._batches and next(iter(self._batches.values())).done:
            settled.append(self._batches.popitem(last=False)[1])
        return settled

    def _timeout(self, attempt: int) -> float:
        doubled = self.timeout_seconds * 2 ** min(attempt - 1, 30)
        return max(self.timeout_seconds, min(doubled, MAX_TIMEOUT_SECONDS))
