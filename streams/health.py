"""Whether the process lives (its loops make progress) and whether it is ready for work (its conditions hold).

The two answer different questions of the Kubernetes documentation ("Configure Liveness, Readiness and Startup
Probes"): a process that is not alive is restarted, one that is not ready is only waited for.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from threading import Lock
from typing import Final

# Longer than a rebalance with a model load, shorter than a person's patience.
DEFAULT_LIMIT_SECONDS: Final = 60.0


@dataclass(frozen=True, slots=True)
class Report:
    """An answer: ``failing`` names the stale loops or the missing conditions; ``detail`` is the JSON body."""

    ok: bool
    failing: tuple[str, ...]
    detail: dict[str, object]


class Health:
    """Loops that must beat and conditions that must hold; safe from any thread.

    ``conditions`` are the names that must become true before the process is ready. ``clock`` returns seconds that
    never go back.
    """

    def __init__(
        self,
        conditions: Iterable[str] = (),
        *,
        limit_seconds: float = DEFAULT_LIMIT_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._clock = clock
        self._limit = limit_seconds
        self._lock = Lock()
        self._beats: dict[str, float] = {}
        self._limits: dict[str, float] = {}
        self._conditions: dict[str, bool] = dict.fromkeys(conditions, False)

    def watch(self, name: str, limit_seconds: float | None = None) -> None:
        """Expect a loop to beat from now on, each time within ``limit_seconds``."""
        with self._lock:
            self._limits[name] = self._limit if limit_seconds is None else limit_seconds
            self._beats[name] = self._clock()

    def beat(self, name: str) -> None:
        """Say that a loop has made progress; a new name is watched from now on, within the default limit."""
        with self._lock:
            self._limits.setdefault(name, self._limit)
            self._beats[name] = self._clock()

    def forget(self, name: str) -> None:
        """Expect nothing more of a loop that ended on purpose."""
        with self._lock:
            self._limits.pop(name, None)
            self._beats.pop(name, None)

    def condition(self, name: str, ready: bool) -> None:
        """State whether a condition of readiness holds; a name that is new is required from now on."""
        with self._lock:
            self._conditions[name] = ready

    def holds(self, name: str) -> bool:
        """Return whether a condition of readiness holds."""
        with self._lock:
            return self._conditions.get(name, False)

    def liveness(self) -> Report:
        """Return whether every watched loop has beaten within its limit."""
        with self._lock:
            now = self._clock()
            loops = {
                name: {
                    "seconds_since_beat": round(now - beaten, 3),
                    "limit_seconds": self._limits[name],
                }
                for name, beaten in sorted(self._beats.items())
            }
            stale = tuple(name for name in loops if now - self._beats[name] > self._limits[name])
        return Report(not stale, stale, {"healthy": not stale, "stale": stale, "loops": loops})

    def readiness(self) -> Report:
        """Return whether every condition holds; before the first is stated, the process is not ready."""
        with self._lock:
            conditions = dict(self._conditions)
        missing = tuple(name for name, holds in conditions.items() if not holds)
        ready = bool(conditions) and not missing
        return Report(ready, missing, {"ready": ready, "missing": missing, "conditions": conditions})
