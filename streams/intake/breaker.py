"""The circuit breaker: a bad release must stop the flow, not drain the topic into the dead letters.

The pattern of M. Nygard, "Release It!": closed, all flows; open, nothing does; half open, a probe says which.
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
"""The most events of a probe: as many a bad release costs at each try."""


class State(StrEnum):
    """Of the breaker."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


@dataclass(frozen=True, slots=True)
class Limits:
    """Shares, of the latest ``events``, above which it opens; a share of 1 is never above.

    ``failed`` is of events that our own stages could not work on, ``invalid`` of those that break their contract:
    feeds do send such, so the two are kept apart.
    """

    events: int
    failed: float
    invalid: float
    pause_seconds: float


class _Counts(NamedTuple):
    """Of events: how many, and how many of them failed or were invalid."""

    events: int
    failed: int
    invalid: int


_NOTHING: Final = _Counts(0, 0, 0)


@dataclass(slots=True)
class Breaker:
    """Counts what became of the latest events, and says whether to go on; ``clock`` returns seconds."""

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
        """Whether a batch may be sent: while half open one alone, and :meth:`probe` must be told which."""
        return self.state is State.CLOSED or (self.state is State.HALF_OPEN and self._probe is None)

    def turn(self) -> bool:
        """Become half open once the pause is over; return whether it did now."""
        if self.state is State.OPEN and self.clock() - self._opened_at >= self.pause_seconds:
            self.state = State.HALF_OPEN
            self._probe = None
            return True
        return False

    def probe(self, batch: object) -> None:
        """Note which batch is the probe."""
        self._probe = batch

    def lost(self) -> None:
        """Note that what is in flight is no longer followed: another batch must be the probe."""
        self._probe = None

    def record(self, batch: object, *, events: int, failed: int = 0, invalid: int = 0, done: int = 0) -> bool:
        """Take in what became of events of a batch, ``done`` of them well; return whether the state changed."""
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
        if not done:  # nothing came as far as ranking
            return False
        self.state = State.CLOSED
        return True

    def _open(self, pause_seconds: float) -> None:
        self.state = State.OPEN
        self.pause_seconds = pause_seconds
        self._opened_at = self.clock()
        self._latest.clear()
        self._sums = _NOTHING
