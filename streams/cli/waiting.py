"""Wait for Ctrl-C, or work until it comes, and treat SIGTERM like it."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Event
from types import FrameType
from typing import Final

import click

_LOOK_SECONDS: Final = 0.5


def wait_for_signal(alive: Callable[[], bool] = lambda: True) -> None:
    """Return on SIGINT (Ctrl-C) or SIGTERM, or if ``alive`` returns false; then restore the previous handlers."""
    stop = Event()

    def handle(_number: int, _frame: FrameType | None) -> None:
        stop.set()

    with _handled(handle, signal.SIGINT, signal.SIGTERM):
        while not stop.wait(_LOOK_SECONDS) and alive():
            pass


@contextmanager
def sigterm_interrupts() -> Iterator[None]:
    """Make SIGTERM raise :class:`KeyboardInterrupt` as Ctrl-C does; the previous handlers are restored afterwards.

    If the signal comes within a delivery callback, librdkafka's binding may lose the exception, and raise
    :class:`SystemError` in its place; that becomes the interrupt again.
    """
    came = Event()

    def handle(_number: int, _frame: FrameType | None) -> None:
        came.set()
        raise KeyboardInterrupt

    heeded = [number for number in (signal.SIGINT, signal.SIGTERM) if signal.getsignal(number) != signal.SIG_IGN]
    with _handled(handle, *heeded):
        try:
            yield
        except SystemError as error:
            if not came.is_set():
                raise
            raise KeyboardInterrupt from error


@contextmanager
def until_interrupted() -> Iterator[Event]:
    """Let SIGINT (Ctrl-C) and SIGTERM end the block, and say so; the event that it yields is set if one did."""
    came = Event()
    try:
        with sigterm_interrupts():
            yield came
    except KeyboardInterrupt:
        came.set()
        click.echo("\nstopping: waiting for the acknowledgement of what was sent", err=True)


@contextmanager
def _handled(handle: Callable[[int, FrameType | None], None], *numbers: signal.Signals) -> Iterator[None]:
    """Handle signals; the previous handlers are restored afterwards."""
    before = {number: signal.signal(number, handle) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
