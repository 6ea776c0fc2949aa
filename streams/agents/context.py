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


class Turns:
    """Whether an agent's loop turns: idle or waiting it beats by itself, at work when some of the work ends."""

    def __init__(self, health: Health, name: str, limit_seconds: float) -> None:
        self._health = health
        self._name = name
        self._working = 0
        self._waiting = 0
        health.watch(name, limit_seconds)

    @contextmanager
    def working(self) -> Iterator[None]:
        """Mark one turn of the loop, or what is done beside it."""
        self._working += 1
        try:
            yield
        finally:
            self._working -= 1
            self._health.beat(self._name)

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """Mark that a turn waits for others, as for a broker that is away: it does not stand still."""
        self._waiting += 1
        try:
            yield
        finally:
            self._waiting -= 1
            self._health.beat(self._name)

    def beat_if_idle(self) -> None:
        """To be called every half second from the event loop, which thereby shows that it turns too."""
        if self._working <= self._waiting:
            self._health.beat(self._name)


async def at_once() -> None:
    """Wait for nothing: tables in memory alone are as safe as they will be."""
