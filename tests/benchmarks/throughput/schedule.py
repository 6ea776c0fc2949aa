"""Open-loop load: events are sent when they are due, whether or not earlier ones are done.

Latency counts from when an event is due. If the publisher, Kafka or the worker stalls, every delayed event counts
as late, not only the one that met the stall ("coordinated omission", G. Tene, 2013).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Schedule:
    """Event ``n`` of ``events`` is due ``n / rate`` seconds after the start; ``rate`` is in events per second."""

    rate: float
    events: int

    @classmethod
    def lasting(cls, rate: float, seconds: float) -> Schedule:
        """Return a schedule of ``seconds``; raises :class:`ValueError` if it has no event."""
        events = int(rate * seconds)
        if rate <= 0 or events < 1:
            raise ValueError(f"{rate} events a second for {seconds} s are no load")
        return cls(rate, events)

    def due(self, elapsed: float) -> int:
        """Return how many events are due after ``elapsed`` seconds."""
        return min(self.events, math.floor(elapsed * self.rate) + 1) if elapsed >= 0 else 0

    def wait(self, sent: int, elapsed: float) -> float:
        """Return the seconds until the next event is due, after ``sent`` events."""
        return max(0.0, sent / self.rate - elapsed)

    def latencies(
        self, numbers: NDArray[np.int64], appended: NDArray[np.float64], start: float
    ) -> NDArray[np.float64]:
        """Return the latencies in ms, float64 (n,), of the events with these ``numbers``, int64 (n,).

        ``appended`` are the times of their decisions, float64 (n,), and ``start`` is that of the schedule, all in
        epoch seconds. The broker's clock counts whole milliseconds, so negative results are set to 0.
        """
        return np.maximum(0.0, (appended - (start + numbers / self.rate)) * 1_000)
