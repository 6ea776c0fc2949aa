"""Reading ahead of the work, so that the work takes at once what has come meanwhile.

A call of the model costs as much as ten products, whatever their number; with one message at a time, eight
partitions of a quiet feed cost eight calls.
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

# Of all partitions, while one group is worked on: enough for the windows of many, as what is fetched comes
# partition by partition, and the last would else wait until all is done of the first. Faust itself holds more.
_READ_AHEAD: Final = 1_024
# Of a batch each: a call of the model takes no longer than a second.
MOST_AT_ONCE: Final = 16
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class LocalBatch:
    """A batch that did not come through Kafka: it has no place in a log, and nothing to be acknowledged."""

    batch: ProductBatch

    def __str__(self) -> str:
        return f"batch {self.batch.batch_id}"


class Gathering:
    """Gives ``work`` groups of a Faust stream's events, the first that waits of each partition; then acknowledges.

    Batches that were handed over in this process (:meth:`add`) wait among them.
    So events of one partition are worked on one after the other, in their order. Of more than 16 partitions those
    come first that have waited longest. What ``work`` raises is logged.
    """

    def __init__(self, work: Callable[[list[Any]], Awaitable[None]]) -> None:
        self._work = work
        self._waiting: defaultdict[int, deque[Any]] = defaultdict(deque)
        self._room = asyncio.Semaphore(_READ_AHEAD)
        self._come = asyncio.Event()
        self._turn = asyncio.Lock()
        self._ended = False

    async def run(self, stream: Any) -> None:
        """Read and work; returns when the stream has ended and all is done."""
        events: AsyncIterable[Any] = stream.noack().events()
        self._ended = False
        if self._waiting:
            self._come.set()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._turns(stream))
            async for event in events:
                self._waiting[event.message.partition].append(event)
                self._come.set()
                await self._room.acquire()
            self._ended = True
            self._come.set()

    def add(self, batches: Sequence[ProductBatch]) -> None:
        """Let batches wait for their turn, behind what waits of their partitions."""
        for batch in batches:
            self._waiting[batch.source_partition].append(LocalBatch(batch))
        self._come.set()

    def forget(self) -> list[ProductBatch]:
        """Leave what waits to whoever reads it next: it was not acknowledged. Return what came by :meth:`add`."""
        waiting = [item for queue in self._waiting.values() for item in queue]
        self._waiting.clear()
        self._make_room(waiting)
        return [item.batch for item in waiting if isinstance(item, LocalBatch)]

    async def idle(self) -> None:
        """Return when nothing is worked on."""
        async with self._turn:
            pass

    async def _turns(self, stream: Any) -> None:
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
    """Return what a Faust event or a local batch is called in logs."""
    return str(item if isinstance(item, LocalBatch) else LogPlace.of(item))
