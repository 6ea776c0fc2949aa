"""Whether the process is alive (its loops make progress) and ready for work (its conditions hold).

The two answer different questions, see the Kubernetes documentation, "Configure Liveness, Readiness and Startup
Probes": a process that is not alive is restarted, one that is not ready is only waited for.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from threading import Lock
from typing import Any


@dataclass(frozen=True, slots=True)
class Report:
    """An answer to a probe; ``detail`` is the JSON body, which names stale loops or missing conditions."""

    ok: bool
    detail: dict[str, Any]


class Health:
    """Loops that must beat and conditions that must hold; may be used from any thread.

    ``conditions`` are the names of conditions that must hold before the process is ready. ``clock`` returns
    seconds that never go back.
    """

    def __init__(self, conditions: Iterable[str] = (), *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = Lock()
        self._beats: dict[str, float] = {}
        self._limits: dict[str, float] = {}
        self._conditions: dict[str, bool] = dict.fromkeys(conditions, False)

    def watch(self, name: str, limit_seconds: float) -> None:
        """Expect a loop to beat from now on, each time within ``limit_seconds``."""
        with self._lock:
            self._limits[name] = limit_seconds
            self._beats[name] = self._clock()

    def beat(self, name: str) -> None:
        """Note that a watched loop has made progress."""
        with self._lock:
            self._beats[name] = self._clock()

    def forget(self, name: str) -> None:
        """Stop watching a loop that ended on purpose."""
        with self._lock:
            self._limits.pop(name, None)
            self._beats.pop(name, None)

    def condition(self, name: str, ready: bool) -> None:
        """Set whether a readiness condition holds; a new name is required from now on."""
        with self._lock:
            self._conditions[name] = ready

    def holds(self, name: str) -> bool:
        """Return whether a readiness condition holds."""
        with self._lock:
            return self._conditions.get(name, False)

    def liveness(self) -> Report:
        """Return whether every watched loop has beaten within its limit."""
        with self._lock:
            now = self._clock()
            loops = {
                name: {
                    "seconds_since_beat": round(now - self._beats[name], 3),
                    "limit_seconds": limit,
                }
                for name, limit in sorted(self._limits.items())
            }
            stale = tuple(name for name in loops if now - self._beats[name] > self._limits[name])
        return Report(not stale, {"healthy": not stale, "stale": stale, "loops": loops})

    def readiness(self) -> Report:
        """Return whether every condition holds; without any condition, the process is not ready."""
        with self._lock:
            conditions = dict(self._conditions)
        missing = tuple(name for name, holds in conditions.items() if not holds)
        ready = bool(conditions) and not missing
        return Report(ready, {"ready": ready, "missing": missing, "conditions": conditions})
