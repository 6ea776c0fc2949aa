"""Record metrics. No method raises, waits, or uses text from a feed as a label."""

from __future__ import annotations

import platform
from collections.abc import Iterable, Mapping
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from itertools import product
from typing import Final

from prometheus_client import (
    CollectorRegistry,
    GCCollector,
    Info,
    PlatformCollector,
    ProcessCollector,
)

from schemas.events.batch import Outcome
from schemas.events.dead_letter import Reason
from schemas.events.statistics import STATISTIC_KINDS, StatisticKind
from streams.metrics import definitions as define
from streams.metrics.abstentions import Abstentions

STAGES: Final = ("intake", "recall", "ranking", "learning")
OTHER: Final = "other"
_REASONS: Final = frozenset(str(reason) for reason in Reason)


def process_registry() -> CollectorRegistry:
    """Return a registry that also exports the process's memory, CPU, file handles and garbage collection."""
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    PlatformCollector(registry=registry)
    GCCollector(registry=registry)
    return registry


class Metrics:
    """Records the metrics of :mod:`streams.metrics.definitions` in one registry; safe from any thread."""

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        self.registry = registry if registry is not None else process_registry()
        self._received = define.EVENTS_RECEIVED.counter(self.registry)
        self._lost = define.EVENTS_LOST.counter(self.registry)
        self._outcomes = define.EVENT_OUTCOMES.counter(self.registry)
        self._dead_letters = define.DEAD_LETTERS.counter(self.registry)
        self._abstain_ratio = define.ABSTAIN_RATIO.gauge(self.registry)
        self._end_to_end = define.END_TO_END_LATENCY.histogram(self.registry)
        self._stage_latency = define.STAGE_LATENCY.histogram(self.registry)
        self._batch_size = define.BATCH_SIZE.histogram(self.registry)
        self._candidates = define.CANDIDATES.counter(self.registry)
        self._candidates_per_product = define.CANDIDATES_PER_PRODUCT.histogram(self.registry)
        self._lag_events = define.CONSUMER_LAG_EVENTS.gauge(self.registry)
        self._lag_seconds = define.CONSUMER_LAG_SECONDS.gauge(self.registry)
        self._processed = define.PROCESSED_OFFSET.gauge(self.registry)
        self._committed = define.COMMITTED_OFFSET.gauge(self.registry)
        self._in_flight = define.BATCHES_IN_FLIGHT.gauge(self.registry)
        self._resends = define.BATCH_RESENDS.counter(self.registry)
        self._parts = define.BATCH_PARTS.counter(self.registry)
        self._breaker = define.CIRCUIT_BREAKER.gauge(self.registry)
        self._skipped = define.BATCHES_SKIPPED.counter(self.registry)
        self._learning_unread = define.LEARNING_UNREAD.gauge(self.registry)
        self._statistics = define.STATISTICS_UPDATES.counter(self.registry)
        self._recovery_seconds = define.TABLE_RECOVERY_SECONDS.gauge(self.registry)
        self._recovered_records = define.TABLE_RECOVERED_RECORDS.gauge(self.registry)
        self._broken = define.TABLE_PARTITIONS_BROKEN.gauge(self.registry)
        # Created with the first model: a worker that only runs learning has none, and would export an empty one.
        self._model: Info | None = None
        self._abstentions = Abstentions()
        self._abstain_ratio.set_function(self._abstentions.ratio)
        define.BUILD.info(self.registry).info({"version": _version(), "python": platform.python_version()})
        self._show_zeros()

    def events_received(self, count: int) -> None:
        """Count events read from the source topic."""
        self._received.inc(count)

    def events_lost(self, topic: str, count: int) -> None:
        """Count messages of a topic that were deleted before they were read."""
        self._lost.labels(topic).inc(count)

    def outcomes(self, counts: Mapping[Outcome, int]) -> None:
        """Count the outcomes of a completed batch."""
        for outcome, count in counts.items():
            self._outcomes.labels(str(outcome)).inc(count)
        self._abstentions.add(counts)

    def dead_letter(self, reason: str, stage: str) -> None:
        """Count one dead letter; an unknown reason or stage is exported as ``other``."""
        self._dead_letters.labels(reason if reason in _REASONS else OTHER, _stage(stage)).inc()

    def decisions_acknowledged(self, latencies_seconds: Iterable[float]) -> None:
        """Record the seconds from event time to acknowledgement, one value per decision.

        A feed's clock may run ahead of ours: a negative latency counts as 0.
        """
        for latency in latencies_seconds:
            self._end_to_end.observe(max(latency, 0.0))

    def stage_finished(self, stage: str, seconds: float, products: int) -> None:
        """Record that a stage worked for ``seconds`` on ``products`` products, from one or more micro-batches."""
        self._stage_latency.labels(_stage(stage)).observe(seconds)
        self._batch_size.labels(_stage(stage)).observe(products)

    def candidates(self, by_signal: Mapping[str, int], per_product: Iterable[int]) -> None:
        """Record how many candidates each signal proposed in a batch, and how many each product has."""
        for signal, count in by_signal.items():
            self._candidates.labels(signal).inc(count)
        for count in per_product:
            self._candidates_per_product.observe(count)

    def lag(self, topic: str, partition: int, events: int, seconds: float) -> None:
        """Set a partition's lag; the definitions say what counts."""
        self._lag_events.labels(topic, str(partition)).set(max(events, 0))
        self._lag_seconds.labels(topic, str(partition)).set(max(seconds, 0.0))

    def processed(self, topic: str, partition: int, offset: int) -> None:
        """Set the next offset to process."""
        self._processed.labels(topic, str(partition)).set(offset)

    def committed(self, topic: str, partition: int, offset: int) -> None:
        """Set the offset committed to Kafka."""
        self._committed.labels(topic, str(partition)).set(offset)

    def partition_revoked(self, topic: str, partition: int) -> None:
        """Stop exporting a partition: its new worker exports it, and two values per partition would mislead."""
        for gauge in (self._lag_events, self._lag_seconds, self._processed, self._committed):
            with suppress(KeyError):  # never exported
                gauge.remove(topic, str(partition))

    def batches_in_flight(self, count: int) -> None:
        """Set how many micro-batches await completion."""
        self._in_flight.set(count)

    def batch_resent(self) -> None:
        """Count a micro-batch that was sent again."""
        self._resends.inc()

    def batch_part(self) -> None:
        """Count half of a micro-batch that is sent separately."""
        self._parts.inc()

    def circuit_breaker(self, *, open_: bool) -> None:
        """Set whether intake has stopped reading because too many events failed."""
        self._breaker.set(open_)

    def batch_skipped(self, stage: str) -> None:
        """Count a micro-batch that was read again but needs no work."""
        self._skipped.labels(_stage(stage)).inc()

    def learning_unread(self, messages: int) -> None:
        """Set how many decisions and verdicts have yet to be learned from."""
        self._learning_unread.set(messages)

    def statistics_updated(self, kind: StatisticKind, *, applied: int, repeated: int) -> None:
        """Count changes of the live statistics."""
        self._statistics.labels(kind, "applied").inc(applied)
        self._statistics.labels(kind, "repeated").inc(repeated)

    def tables(self, stage: str, broken: int, recovered_records: int, recovery_seconds: float) -> None:
        """Set how many partitions of a stage's tables are incomplete, and the figures of their latest recovery."""
        self._broken.labels(_stage(stage)).set(broken)
        self._recovered_records.labels(_stage(stage)).set(recovered_records)
        self._recovery_seconds.labels(_stage(stage)).set(recovery_seconds)

    def model_loaded(self, model_version: str, taxonomy_version: str, encoder: str, gate: str) -> None:
        """Export the bundle that decides from now on, instead of the previous one."""
        self._model = self._model or define.MODEL.info(self.registry)
        self._model.info(
            {
                "model_version": model_version,
                "taxonomy_version": taxonomy_version,
                "encoder": encoder,
                "gate": gate,
            }
        )

    def _show_zeros(self) -> None:
        # If a series first appeared with its first event, rate() and increase() would not see that event.
        for outcome in set(Outcome) - {Outcome.FAILED}:  # intake counts it as a dead letter
            self._outcomes.labels(str(outcome))
        for reason, stage in product(Reason, STAGES):
            self._dead_letters.labels(str(reason), stage)
        for stage in ("recall", "ranking"):
            self._skipped.labels(stage)
        for kind in STATISTIC_KINDS:
            for result in ("applied", "repeated"):
                self._statistics.labels(kind, result)


def _stage(stage: str) -> str:
    return stage if stage in STAGES else OTHER


def _version() -> str:
    try:
        return version("shelfwise")
    except PackageNotFoundError:  # run from a source tree that was never installed
        return "unknown"
