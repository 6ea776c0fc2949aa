"""Calls on metrics, health or the model's owner that a process reports to the worker that started it.

The worker makes the same calls. So its listener covers both processes, and reports the other one as stalled if it
stops reporting. Calls are sent over a pipe, one line of JSON each.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import partial
from typing import Any, Literal

import msgspec

Target = Literal["metrics", "health", "model"]


class ReportedCall(msgspec.Struct, frozen=True):
    """A method call with arguments that JSON can represent."""

    target: Target
    method: str
    arguments: tuple[Any, ...] = ()
    named: dict[str, Any] = {}


class Reporter:
    """Stands for a target: every method call on it is reported, and returns nothing.

    Safe from any thread: each line is written at once, and is shorter than what a pipe writes atomically
    (pipe(7)).
    """

    def __init__(self, target: Target, pipe: int) -> None:
        """``pipe`` is the file descriptor to write to."""
        self._target = target
        self._pipe = pipe

    def __getattr__(self, method: str) -> Any:
        """Return a function that reports a call of this method."""
        return partial(self._tell, method)

    def _tell(self, method: str, *arguments: object, **named: object) -> None:
        os.write(self._pipe, msgspec.json.encode(ReportedCall(self._target, method, arguments, named)) + b"\n")


_decoder = msgspec.json.Decoder(ReportedCall)


def make_reported_call(line: bytes, targets: Mapping[Target, Any]) -> None:
    """Make the call in a line of the report; raises :class:`msgspec.DecodeError` if the line is not a call."""
    call = _decoder.decode(line)
    getattr(targets[call.target], call.method)(*call.arguments, **call.named)
