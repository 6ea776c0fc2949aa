"""The share of recent decisions that were left to a person."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Mapping
from threading import Lock
from typing import Final

from schemas.events.batch import Outcome

WINDOW: Final = 1_000
_DECISIONS: Final = (Outcome.ASSIGNED, Outcome.BACKED_OFF, Outcome.NEEDS_REVIEW)


class Abstentions:
    """Keeps the fewest latest whole batches with at least ``window`` decisions together; safe from any thread."""

    def __init__(self, window: int = WINDOW) -> None:
        self._window = window
        self._batches: deque[tuple[int, int]] = deque()
        self._decisions = 0
        self._abstained = 0
        self._lock = Lock()

    def add(self, counts: Mapping[Outcome, int]) -> None:
        """Add a batch's outcomes; outcomes that are not decisions are ignored."""
        decisions = sum(counts.get(outcome, 0) for outcome in _DECISIONS)
        if not decisions:
            return
        abstained = counts.get(Outcome.NEEDS_REVIEW, 0)
        with self._lock:
            self._batches.append((decisions, abstained))
            self._decisions += decisions
            self._abstained += abstained
            while self._decisions - self._batches[0][0] >= self._window:
                oldest_decisions, oldest_abstained = self._batches.popleft()
                self._decisions -= oldest_decisions
                self._abstained -= oldest_abstained

    def ratio(self) -> float:
        """Return the share that needs review; NaN before the first decision."""
        with self._lock:
            return self._abstained / self._decisions if self._decisions else math.nan
