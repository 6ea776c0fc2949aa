"""Wait for the operator."""

from __future__ import annotations

import signal
from collections.abc import Callable
from threading import Event
from types import FrameType
from typing import Final

_LOOK_SECONDS: Final = 0.5


def wait_for_signal(alive: Callable[[], bool] = lambda: True) -> None:
    """Return when SIGINT (Ctrl-C) or SIGTERM comes, or ``alive`` is no more; the handlers before are put back."""
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
