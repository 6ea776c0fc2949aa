"""The circuit breaker: a bad release must stop the flow, not turn the whole topic into dead letters.

It follows the pattern in M. Nygard, "Release It!": closed, everything flows; open, nothing does; half open, a
probe decides which of the two comes next.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from operator import add, sub
from typing import Final, NamedTuple

MAX_PAUSE_SECONDS: Final = 600.0
PROBE_EVENTS: Final = 8
"""The most events in a probe, and so the cost of each try while a release is still bad."""


class State(StrEnum):
    """The state of the breaker."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


@dataclass(frozen=True, slots=True)
class Limits:
    """The shares of the latest ``events`` above which the breaker opens; a share of 1 is never exceeded.

    ``failed`` is the share of events that our own stages could not process, ``invalid`` that of events that break
    their contract. They are counted separately because feeds do send invalid events.
    """

    events: int
    failed: float
    invalid: float
    pause_seconds: float


class _Counts(NamedTuple):
    """How many events there were, and how many of them failed or were invalid."""

    events: int
    failed: int
    invalid: int


_NOTHING: Final = _Counts(0, 0, 0)


@dataclass(slots=True)
class Breaker:
    """Counts the outcomes of the latest events, and says whether to go on; ``clock`` returns seconds."""

    limits: Limits
    clock: Callable[[], float]
    state: State = State.CLOSED
    why: str = ""
    pause_seconds: float = 0.0
    _latest: deque[_Counts] = field(default_factory=deque)
    _sums: _Counts = _NOTHING
    _opened_at: float = 0.0
    _probe: object | None = None

    @property
    def reads(self) -> bool:
        """Whether events may be read."""
        return self.state is not State.OPEN

    @property
    def sends(self) -> bool:
        """Whether a batch may be sent; while half open only one may, to be passed to :meth:`probe`."""
        return self.state is State.CLOSED or (self.state is State.HALF_OPEN and self._probe is None)

    def turn(self) -> bool:
        """Become half open when the pause is over; return whether that happened now."""
        if self.state is State.OPEN and self.clock() - self._opened_at >= self.pause_seconds:
            self.state = State.HALF_OPEN
            self._probe = None
            return True
        return False

    def probe(self, batch: object) -> None:
        """Note which batch is the probe."""
        self._probe = batch

    def lost(self) -> None:
        """Note that the batches in flight are no longer followed: another batch must become the probe."""
        self._probe = None

    def record(self, batch: object, *, events: int, failed: int = 0, invalid: int = 0, done: int = 0) -> bool:
        """Count the outcomes of a batch's events, ``done`` of them good; return whether the state changed."""
        if self.state is State.CLOSED:
            return self._count(events, failed, invalid)
        if self.state is State.HALF_OPEN and batch is self._probe:
            return self._judge(events, failed, done)
        return False

    def _count(self, events: int, failed: int, invalid: int) -> bool:
        limits = self.limits
        self._add(_Counts(events, failed, invalid))
        while self._sums.events - self._latest[0].events >= limits.events:
            self._drop_oldest()
        for count, share, what in (
            (self._sums.failed, limits.failed, "failed in recall or ranking"),
            (self._sums.invalid, limits.invalid, "broke their contract"),
        ):
            if share < 1 and count > share * limits.events:
                self.why = f"{count} of the latest {limits.events} events {what} (limit {share:.0%})"
                self._open(limits.pause_seconds)
                return True
        return False

    def _add(self, counts: _Counts) -> None:
        self._latest.append(counts)
        self._sums = _Counts(*map(add, self._sums, counts))

    def _drop_oldest(self) -> None:
        self._sums = _Counts(*map(sub, self._sums, self._latest.popleft()))

    def _judge(self, events: int, failed: int, done: int) -> bool:
        if failed > self.limits.failed * events:
            self.why = f"{failed} of {events} events of a probe failed in recall or ranking"
            self._open(min(self.pause_seconds * 2, MAX_PAUSE_SECONDS))
            return True
        self._probe = None
        if not done:  # no event got as far as ranking
            return False
        self.state = State.CLOSED
        return True

    def _open(self, pause_seconds: float) -> None:
        self.state = State.OPEN
        self.pause_seconds = pause_seconds
        self._opened_at = self.clock()
        self._latest.clear()
        self._sums = _NOTHING
