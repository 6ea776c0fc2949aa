"""The learning process that a worker starts; to run learning alone, use ``shelfwise worker --only learning``."""

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
        # Not sys.stdin: at exit Python would wait for its lock in vain, and abort.
        while os.read(_INPUT, 1):
            pass
        loop.call_soon_threadsafe(stop.set)

    Thread(target=await_end_of_input, daemon=True).start()
    return await learn(settings, metrics, health, stop)


def main() -> int:
    """Learn until the input ends; report metrics and health on the output."""
    pipe = child.begin()
    return asyncio.run(_run(Settings.load(), pipe))


if __name__ == "__main__":
    sys.exit(main())
