"""What a process tells the worker that started it: calls of its metrics, its health, or what knows its model.

They are made there once more, so that the worker's listener speaks for both, and finds a process that has stopped
telling of itself stalled. A line of JSON each, on a pipe.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import partial
from typing import Any, Literal

import msgspec

Target = Literal["metrics", "health", "model"]


class ToldCall(msgspec.Struct, frozen=True):
    """A method that was called, with arguments that JSON knows."""

    target: Target
    method: str
    arguments: tuple[Any, ...] = ()
    named: dict[str, Any] = {}


class Reporter:
    """Stands for a target: whatever is called on it is told, and returns nothing.

    From any thread: a line is written at once, and shorter than what a pipe takes whole (pipe(7)).
    """

    def __init__(self, target: Target, pipe: int) -> None:
        """``pipe`` is a file descriptor to write to."""
        self._target = target
        self._pipe = pipe

    def __getattr__(self, method: str) -> Any:
        """Return what tells of a call."""
        return partial(self._tell, method)

    def _tell(self, method: str, *arguments: object, **named: object) -> None:
        os.write(self._pipe, msgspec.json.encode(ToldCall(self._target, method, arguments, named)) + b"\n")


_decoder = msgspec.json.Decoder(ToldCall)


def repeat(line: bytes, targets: Mapping[Target, Any]) -> None:
    """Make the call that a line tells of; raises :class:`msgspec.DecodeError` where it tells of none."""
    call = _decoder.decode(line)
    getattr(targets[call.target], call.method)(*call.arguments, **call.named)
