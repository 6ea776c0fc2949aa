"""Wait for Ctrl-C, and treat SIGTERM like it."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Event
from types import FrameType
from typing import Final

STOPPING: Final = "\nstopping: waiting for the acknowledgement of what was sent"
_LOOK_SECONDS: Final = 0.5


def wait_for_signal(alive: Callable[[], bool] = lambda: True) -> None:
    """Return on SIGINT (Ctrl-C) or SIGTERM, or if ``alive`` returns false; then restore the previous handlers."""
    stop = Event()

    def handle(_number: int, _frame: FrameType | None) -> None:
        stop.set()

    before = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        while not stop.wait(_LOOK_SECONDS) and alive():
            pass
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def sigterm_interrupts() -> Iterator[None]:
    """Let SIGTERM raise :class:`KeyboardInterrupt`, as Ctrl-C does; the previous handler is restored."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
