"""Reading ahead of the work, so that the work takes at once what has come meanwhile.

A call of the model costs as much as ten products, whatever their number; with one message at a time, eight
partitions of a quiet feed cost eight calls.
"""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict, deque
from collections.abc import AsyncIterable, Awaitable, Callable
from typing import Any, Final

from streams.agents.rereading import LogPlace

# Of all partitions, while one group is worked on.
_READ_AHEAD: Final = 64
_log = logging.getLogger(__name__)


async def gather(stream: Any, work: Callable[[list[Any]], Awaitable[None]]) -> None:
    """Give ``work`` groups of a Faust stream's events, the first that waits of each partition; then acknowledge.

    So events of one partition are worked on one after the other, in their order. What ``work`` raises is logged.
    Returns when the stream has ended and all is done.
    """
    events: AsyncIterable[Any] = stream.noack().events()
    waiting: defaultdict[int, deque[Any]] = defaultdict(deque)
    room = asyncio.Semaphore(_READ_AHEAD)
    come = asyncio.Event()
    ended = False

    async def turn() -> None:
        while not ended or any(waiting.values()):
            await come.wait()
            come.clear()
            while group := [queue.popleft() for queue in waiting.values() if queue]:
                await _do(stream, work, group)
                for _ in group:
                    room.release()

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(turn())
        async for event in events:
            waiting[event.message.partition].append(event)
            come.set()
            await room.acquire()
        ended = True
        come.set()


async def _do(stream: Any, work: Callable[[list[Any]], Awaitable[None]], group: list[Any]) -> None:
    try:
        await work(group)
        for event in group:
            await stream.ack(event)
    except Exception:
        _log.exception("work on %s failed", ", ".join(str(LogPlace.of(event)) for event in group))
