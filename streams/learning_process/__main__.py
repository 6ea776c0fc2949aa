"""The process that learns, as a worker starts it; by itself it is ``shelfwise worker --only learning``."""

from __future__ import annotations

import asyncio
import os
import sys
from threading import Thread
from typing import Any, Final

from streams.reporting import child
from streams.reporting.report import Reporter
from streams.settings import Settings
from streams.worker import learn

_INPUT: Final = 0


async def _run(settings: Settings, pipe: int) -> int:
    metrics: Any = Reporter("metrics", pipe)
    health: Any = Reporter("health", pipe)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()

    def await_end_of_input() -> None:
        # Not by sys.stdin, whose lock Python would wait for in vain at its end, and abort.
        while os.read(_INPUT, 1):
            pass
        loop.call_soon_threadsafe(stop.set)

    Thread(target=await_end_of_input, daemon=True).start()
    return await learn(settings, metrics, health, stop)


def main() -> int:
    """Learn until the end of the input, telling on the output of metrics and health."""
    pipe = child.begin()
    return asyncio.run(_run(Settings.load(), pipe))


if __name__ == "__main__":
    sys.exit(main())
