"""The latest completions that ranking sent: a batch that arrives again needs no second decision."""

from __future__ import annotations

from collections import OrderedDict
from typing import Final

from schemas.events.batch import RecalledBatch
from streams.outgoing import Outgoing

# About 3 KB each. By default, this is as many batches as the windows of 128 partitions of a worker hold.
_KEPT: Final = 1_024
_Name = tuple[int | None, str]


class Completions:
    """Remembers the batches in progress, and the completions of the latest finished ones.

    Intake sends a batch again when its completion is late, which may only mean that the batch waited in a queue.
    The first attempt is always worked on: if a source topic is recreated, its batches have the ids of earlier
    ones.
    """

    def __init__(self) -> None:
        self._under_way: set[_Name] = set()
        self._done: OrderedDict[_Name, Outgoing] = OrderedDict()

    def under_way(self, batch: RecalledBatch) -> bool:
        """Return whether the batch was sent again while its decisions still await their acknowledgements."""
        return batch.attempt > 1 and _name(batch) in self._under_way

    def known(self, batch: RecalledBatch) -> Outgoing | None:
        """Return the completion of a batch that was sent again after it was done."""
        return self._done.get(_name(batch)) if batch.attempt > 1 else None

    def submitted(self, batch: RecalledBatch) -> None:
        """Note that the batch's decisions were submitted to the sink."""
        self._done.pop(_name(batch), None)
        self._under_way.add(_name(batch))

    def finished(self, batch: RecalledBatch, completion: Outgoing | None) -> None:
        """Note that the batch is done, or with ``None`` that it is not and must be decided again."""
        self._under_way.discard(_name(batch))
        if completion is not None:
            self._done[_name(batch)] = completion
            while len(self._done) > _KEPT:
                self._done.popitem(last=False)


def _name(batch: RecalledBatch) -> _Name:
    return batch.generation, batch.batch_id
