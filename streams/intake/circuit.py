"""Intake's circuit breaker, with what operators see of it: readiness, a metric, and log lines with the remedy."""

from __future__ import annotations

import logging
import time
from typing import Final

from schemas.events.batch import Outcome
from streams.health import Health
from streams.intake.breaker import PROBE_EVENTS, Breaker, Limits, State
from streams.intake.shipment import InFlight, Shipment
from streams.metrics import Metrics
from streams.settings import Settings

logger = logging.getLogger(__name__)

CLOSED: Final = "intake circuit breaker closed"
_NOT_DONE: Final = frozenset({Outcome.FAILED, Outcome.DEAD_LETTER, Outcome.UNCHANGED, Outcome.SUPERSEDED})


class Circuit:
    """Counts the outcomes of intake's batches, and stops reading and sending if too many fail."""

    def __init__(self, settings: Settings, metrics: Metrics, health: Health) -> None:
        limits = Limits(
            settings.breaker_events,
            settings.breaker_failed_ratio,
            settings.breaker_invalid_ratio,
            settings.breaker_pause_seconds,
        )
        self._breaker = Breaker(limits, time.monotonic)
        self._metrics = metrics
        self._health = health
        self._last_failure = ""
        self._show()

    @property
    def reads(self) -> bool:
        """Whether events may be read."""
        return self._breaker.reads

    @property
    def sends(self) -> bool:
        """Whether another batch may be sent."""
        return self._breaker.sends

    @property
    def most_events(self) -> int | None:
        """The most events of the next batch if it is to be a probe, otherwise ``None``."""
        return None if self._breaker.state is State.CLOSED else PROBE_EVENTS

    def turn(self) -> None:
        """Allow a probe if the pause is over."""
        if self._breaker.turn():
            logger.warning("intake probes whether events can be processed again, with at most %d", PROBE_EVENTS)
            self._show()

    def sent(self, item: InFlight) -> None:
        """Note a new batch, and count its events that break their contract."""
        if self._breaker.state is State.CLOSED:
            if rejected := item.batch.rejected:
                self._last_failure = str(rejected[-1].error)
                self._record(item, events=len(rejected), invalid=len(rejected))
            return
        self._breaker.probe(item)
        # The result of a probe is that of its sent events, whatever else was in it.
        if not item.shipments:
            self._record(item, events=0)

    def completed(self, shipment: Shipment) -> None:
        """Count the outcomes of events that were sent."""
        outcomes = shipment.outcomes or []
        failed = [outcome for outcome in outcomes if outcome.outcome is Outcome.FAILED]
        if failed:
            self._last_failure = failed[-1].detail or ""
        done = sum(outcome.outcome not in _NOT_DONE for outcome in outcomes)
        self._record(shipment.of, events=len(outcomes), failed=len(failed), done=done)

    def lost(self) -> None:
        """Note that the batches in flight are no longer followed."""
        self._breaker.lost()

    def _record(self, item: InFlight, *, events: int, failed: int = 0, invalid: int = 0, done: int = 0) -> None:
        if not self._breaker.record(item, events=events, failed=failed, invalid=invalid, done=done):
            return
        if self._breaker.state is State.OPEN:
            logger.error(
                "intake has stopped reading: %s; the last failure: %s. See `shelfwise dead-letters list`; roll"
                " back the release or the bundle, or fix the feed, and restart. A probe of %d events is sent in"
                " %.0f s. Afterwards send the dead letters again:"
                " `shelfwise dead-letters resend --reason processing_failed`",
                self._breaker.why,
                self._last_failure or "none",
                PROBE_EVENTS,
                self._breaker.pause_seconds,
            )
        else:
            logger.warning("intake reads again: the probe succeeded")
        self._show()

    def _show(self) -> None:
        closed = self._breaker.state is State.CLOSED
        self._health.condition(CLOSED, closed)
        self._metrics.circuit_breaker(open_=not closed)
