"""What the agents of one process share."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from streams.health import Health
from streams.metrics import Metrics
from streams.settings import Settings
from streams.sinks import Sink


@dataclass(frozen=True, slots=True)
class Context:
    """What every stage needs."""

    settings: Settings
    sink: Sink
    metrics: Metrics
    health: Health


class LoopHeartbeat:
    """Tells health whether an agent's loop makes progress.

    An idle or waiting loop beats by itself; a working one beats when a part of its work ends.
    """

    def __init__(self, health: Health, name: str, limit_seconds: float) -> None:
        self._health = health
        self._name = name
        self._working = 0
        self._waiting = 0
        health.watch(name, limit_seconds)

    @contextmanager
    def working(self) -> Iterator[None]:
        """Mark one iteration of the loop, or work that it started outside the loop."""
        self._working += 1
        try:
            yield
        finally:
            self._working -= 1
            self._health.beat(self._name)

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """Mark that an iteration waits for something else, such as an unavailable broker: it is not stuck."""
        self._waiting += 1
        try:
            yield
        finally:
            self._waiting -= 1
            self._health.beat(self._name)

    def beat_if_idle(self) -> None:
        """Beat if no work is running; called every half second in the event loop, which shows that this runs."""
        if self._working <= self._waiting:
            self._health.beat(self._name)


async def already_arrived() -> None:
    """Return at once: changes of tables that are only in memory need not be waited for."""
