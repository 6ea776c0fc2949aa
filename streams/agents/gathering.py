"""Read ahead of the work, so that each step of the work takes everything that has arrived meanwhile.

A call of the model has a fixed cost, as much as ten products. With one message at a time, the eight partitions of
a quiet feed would cost eight calls.
"""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict, deque
from collections.abc import AsyncIterable, Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from schemas.events.batch import ProductBatch
from streams.agents.rereading import LogPlace

# The most events of all partitions to read ahead while a group is worked on. This is enough for the windows of
# many partitions: fetched events come partition by partition, and with less room the last partition would wait
# until all events of the first are done. Faust itself holds more.
_READ_AHEAD: Final = 1_024
# Batches of one group, one per partition: few enough that a call of the model takes no longer than a second.
MOST_AT_ONCE: Final = 16
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class LocalBatch:
    """A batch that did not come through Kafka: it has no place in a log, and needs no acknowledgement."""

    batch: ProductBatch

    def __str__(self) -> str:
        return f"batch {self.batch.batch_id}"


class Gathering:
    """Passes groups of a Faust stream's events to ``work``, then acknowledges them.

    A group holds the first waiting event of each partition, so the events of one partition are worked on one after
    the other, in their order. Batches that were handed over in this process (:meth:`add`) wait in the same queues.
    If more than 16 partitions have events, those that have waited longest come first. What ``work`` raises is
    logged.
    """

    def __init__(self, work: Callable[[list[Any]], Awaitable[None]]) -> None:
        self._work = work
        self._waiting: defaultdict[int, deque[Any]] = defaultdict(deque)
        self._room = asyncio.Semaphore(_READ_AHEAD)
        self._come = asyncio.Event()
        self._turn = asyncio.Lock()
        self._ended = False

    async def run(self, stream: Any) -> None:
        """Read and work; return when the stream has ended and all work is done."""
        events: AsyncIterable[Any] = stream.noack().events()
        self._ended = False
        if self._waiting:
            self._come.set()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._work_in_groups(stream))
            async for event in events:
                self._waiting[event.message.partition].append(event)
                self._come.set()
                await self._room.acquire()
            self._ended = True
            self._come.set()

    def add(self, batches: Sequence[ProductBatch]) -> None:
        """Queue batches behind the events of their partitions that already wait."""
        for batch in batches:
            self._waiting[batch.source_partition].append(LocalBatch(batch))
        self._come.set()

    def forget(self) -> list[ProductBatch]:
        """Drop what waits, which the next owner reads again, and return those batches that :meth:`add` added."""
        waiting = [item for queue in self._waiting.values() for item in queue]
        self._waiting.clear()
        self._make_room(waiting)
        return [item.batch for item in waiting if isinstance(item, LocalBatch)]

    async def idle(self) -> None:
        """Return when no work is running."""
        async with self._turn:
            pass

    async def _work_in_groups(self, stream: Any) -> None:
        while not self._ended or self._waiting:
            await self._come.wait()
            self._come.clear()
            while group := self._next():
                async with self._turn:
                    await self._do(stream, group)
                self._make_room(group)

    def _next(self) -> list[Any]:
        group = []
        for partition in list(self._waiting)[:MOST_AT_ONCE]:
            queue = self._waiting.pop(partition)
            group.append(queue.popleft())
            if queue:
                self._waiting[partition] = queue
        return group

    async def _do(self, stream: Any, group: list[Any]) -> None:
        try:
            await self._work(group)
            for item in group:
                if not isinstance(item, LocalBatch):
                    await stream.ack(item)
        except Exception:
            _log.exception("work on %s failed", ", ".join(map(described, group)))

    def _make_room(self, items: Sequence[Any]) -> None:
        for item in items:
            if not isinstance(item, LocalBatch):
                self._room.release()


def described(item: Any) -> str:
    """Return how logs refer to a Faust event or a local batch."""
    return str(item if isinstance(item, LocalBatch) else LogPlace.of(item))
