"""Wait for the operator."""

from __future__ import annotations

import signal
from threading import Event
from types import FrameType


def wait_for_signal() -> None:
    """Return when SIGINT (Ctrl-C) or SIGTERM comes; the handlers before are put back."""
    stop = Event()

    def handle(_number: int, _frame: FrameType | None) -> None:
        stop.set()

    before = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        stop.wait()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
