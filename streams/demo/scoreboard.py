"""The outcomes of a feed so far."""

from __future__ import annotations

import math
from collections import Counter, deque
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from schemas.events.batch import Outcome
from schemas.events.dead_letter import DeadLetter
from schemas.events.decision import CategoryAssigned, Decision, NeedsReview, outcome_of
from schemas.taxonomy import Taxonomy
from streams.clients.subscriber import Received
from workers.fit.labels import find_label
from workers.product_files import LabelledProduct

_LATENCIES: Final = 5_000
_RECENT: Final = 200
_RATE_SECONDS: Final = 5.0


@dataclass(frozen=True, slots=True)
class Recent:
    """A decision to show, and whether it is right; ``None`` if that is not known."""

    decision: Decision
    right: bool | None


@dataclass(slots=True)
class Scoreboard:
    """Counts decisions and dead letters; each event counts once, even if its outcome is delivered repeatedly.

    ``products`` are the products of the feed by id. A latency is the time in milliseconds from handing an event to
    the feed to the Kafka timestamp of its decision.
    """

    products: dict[str, LabelledProduct]
    taxonomy: Taxonomy
    outcomes: Counter[Outcome] = field(default_factory=Counter)
    right: Counter[Outcome] = field(default_factory=Counter)
    judged: Counter[Outcome] = field(default_factory=Counter)
    published_ms: dict[str, int] = field(default_factory=dict)
    recent: deque[Recent] = field(default_factory=lambda: deque(maxlen=_RECENT))
    dead: deque[tuple[DeadLetter, bytes | None]] = field(default_factory=lambda: deque(maxlen=_RECENT))
    _seen: set[str] = field(default_factory=set)
    _latencies: deque[int] = field(default_factory=lambda: deque(maxlen=_LATENCIES))
    _arrivals: deque[tuple[float, int]] = field(default_factory=deque)

    def add(self, received: list[Received], now: float) -> None:
        """Add what a subscriber received at ``now``, in seconds of any monotonic clock."""
        before = self.settled
        for item in received:
            if isinstance(item.content, CategoryAssigned | NeedsReview):
                self._decided(item.content, item.timestamp_ms)
            elif isinstance(item.content, DeadLetter):
                self._died(item.content, item.key)
        self._arrivals.append((now, self.settled - before))
        while self._arrivals and now - self._arrivals[0][0] > _RATE_SECONDS:
            self._arrivals.popleft()

    @property
    def decisions(self) -> int:
        """The number of events that were decided."""
        return self.settled - self.outcomes[Outcome.DEAD_LETTER]

    @property
    def settled(self) -> int:
        """The number of events that have an outcome."""
        return self.outcomes.total()

    @property
    def rate(self) -> float:
        """Outcomes per second, over the last five seconds."""
        return sum(count for _, count in self._arrivals) / _RATE_SECONDS

    def share(self, outcome: Outcome) -> float:
        """Return the share of decisions with this outcome; NaN before the first decision."""
        return self.outcomes[outcome] / self.decisions if self.decisions else math.nan

    def latency_ms(self, quantile: float) -> float:
        """Return a quantile of the last 5,000 latencies; NaN before the first one."""
        return float(np.quantile(np.array(self._latencies), quantile)) if self._latencies else math.nan

    def accuracy(self, outcome: Outcome) -> float:
        """Return the share of right decisions among those with a known label; NaN if there are none."""
        return self.right[outcome] / self.judged[outcome] if self.judged[outcome] else math.nan

    def _first_time(self, event: str) -> bool:
        if event in self._seen:
            return False
        self._seen.add(event)
        return True

    def _decided(self, decision: Decision, timestamp_ms: int) -> None:
        source = decision.source
        item = self.products.get(decision.product_id)
        if item is None or not self._first_time(f"{source.partition}/{source.offset}"):
            return
        right = self._is_right(decision, item)
        outcome = outcome_of(decision)
        self.outcomes[outcome] += 1
        if right is not None:
            self.judged[outcome] += 1
            self.right[outcome] += right
        if decision.product_id in self.published_ms:
            self._latencies.append(max(timestamp_ms - self.published_ms[decision.product_id], 0))
        self.recent.append(Recent(decision, right))

    def _died(self, letter: DeadLetter, key: bytes | None) -> None:
        if self._first_time(f"{letter.source_partition}/{letter.source_offset}"):
            self.outcomes[Outcome.DEAD_LETTER] += 1
            self.dead.append((letter, key))

    def _is_right(self, decision: Decision, item: LabelledProduct) -> bool | None:
        """Return whether it fits the label: an assignment must equal it, a backed-off decision must lead to it."""
        if isinstance(decision, NeedsReview):
            return None
        label = self.label_of(item)
        if label is None:
            return None
        decided = self.taxonomy.find_id(decision.category.id)
        return decided in self.taxonomy.ancestors(label) if decision.backed_off else decided == label

    def label_of(self, item: LabelledProduct) -> int | None:
        """Return the node of a product's label, or ``None`` if it has no label that the tree knows."""
        return find_label(item, self.taxonomy)
