"""The table of metrics: name, type, labels, buckets and meaning.

Names follow the Prometheus documentation, "Metric and label naming": base units, ``_total`` for counters,
``_info`` for metadata, ``_ratio`` for shares. Label values come only from our own enumerations, the topic table,
the registered signals or the bundle, never from a feed, so the number of series is bounded.

To add a metric, define it here, create it and give it a method in :mod:`streams.metrics.recording`, call that
method where it happens, and write docs/metrics.md again (:mod:`streams.metrics.document`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Info

PREFIX: Final = "shelfwise_"

Kind = Literal["counter", "gauge", "histogram", "info"]

# From a single event on a busy machine to a feed that was stopped for an hour.
_END_TO_END_SECONDS: Final = (
    0.01, 0.025, 0.05, 0.1, 0.2, 0.35, 0.5, 0.75, 1.0, 1.5, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 1800.0, 3600.0,
)  # fmt: skip
_STAGE_SECONDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
_BATCH_PRODUCTS: Final = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024)
_CANDIDATES: Final = (0, 1, 2, 5, 10, 15, 20, 25, 30, 40, 50, 75, 100)


@dataclass(frozen=True, slots=True)
class Definition:
    """One metric as it is exported: ``name`` includes the prefix and the suffix of its type."""

    name: str
    kind: Kind
    help: str
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()

    def counter(self, registry: CollectorRegistry) -> Counter:
        """Create and register the counter."""
        return Counter(self.name, self.help, self.labels, registry=registry)

    def gauge(self, registry: CollectorRegistry) -> Gauge:
        """Create and register the gauge."""
        return Gauge(self.name, self.help, self.labels, registry=registry)

    def histogram(self, registry: CollectorRegistry) -> Histogram:
        """Create and register the histogram."""
        return Histogram(self.name, self.help, self.labels, registry=registry, buckets=self.buckets)

    def info(self, registry: CollectorRegistry) -> Info:
        """Create and register the info metric; the client library itself appends ``_info``."""
        return Info(self.name.removesuffix("_info"), self.help, registry=registry)


def _define(
    name: str, kind: Kind, text: str, labels: tuple[str, ...] = (), buckets: tuple[float, ...] = ()
) -> Definition:
    definition = Definition(PREFIX + name, kind, text, labels, buckets)
    _all.append(definition)
    return definition


_all: list[Definition] = []
_PARTITION: Final = ("topic", "partition")

EVENTS_RECEIVED: Final = _define(
    "events_received_total", "counter", "Product events read from the source topic, repeats included."
)
EVENTS_LOST: Final = _define(
    "events_lost_total",
    "counter",
    "Offsets that Kafka deleted, by its retention, before they were read: of the source topic (the markers of a "
    "feed's transactions among them), or of what learning reads. Any value but 0 needs an operator: the log says "
    "which offsets, and what to do.",
    ("topic",),
)
EVENT_OUTCOMES: Final = _define(
    "event_outcomes_total",
    "counter",
    "Product events brought to an outcome; every event has exactly one, counted when its batch completes.",
    ("outcome",),
)
DEAD_LETTERS: Final = _define(
    "dead_letters_total",
    "counter",
    "Events sent to the dead letters, by reason and by the stage that gave up on them.",
    ("reason", "stage"),
)
ABSTAIN_RATIO: Final = _define(
    "abstain_ratio",
    "gauge",
    "Share of this process's latest 1,000 decisions that need review; NaN before the first. Over a fleet or "
    "another window use the recording rule shelfwise:abstain:ratio_rate5m, which is made of the counters.",
)
END_TO_END_LATENCY: Final = _define(
    "end_to_end_latency_seconds",
    "histogram",
    "From the event's time in the source topic to the broker's acknowledgement of its decision.",
    buckets=_END_TO_END_SECONDS,
)
STAGE_LATENCY: Final = _define(
    "stage_latency_seconds",
    "histogram",
    "Duration of one unit of work: packing one micro-batch (intake), or one call on a batch of each partition "
    "(recall, ranking).",
    ("stage",),
    _STAGE_SECONDS,
)
BATCH_SIZE: Final = _define(
    "batch_size_products",
    "histogram",
    "Products that a stage processed in one unit of work.",
    ("stage",),
    _BATCH_PRODUCTS,
)
CANDIDATES: Final = _define(
    "candidates_total", "counter", "Candidate categories that a signal proposed.", ("signal",)
)
CANDIDATES_PER_PRODUCT: Final = _define(
    "candidates_per_product",
    "histogram",
    "Candidate categories of one product: the union of all signals.",
    buckets=_CANDIDATES,
)
CONSUMER_LAG_EVENTS: Final = _define(
    "consumer_lag_events",
    "gauge",
    "Events in the partition that have no outcome yet: its end minus the processed offset. Once all that was read "
    "has its outcome, what lies there of aborted transactions does not count.",
    _PARTITION,
)
CONSUMER_LAG_SECONDS: Final = _define(
    "consumer_lag_seconds",
    "gauge",
    "Age of the oldest event in the partition that was read and has no outcome yet; 0 when there is none, "
    "however many are unread (see consumer_lag_events). If reading has stopped and nothing read is left, the time "
    "since it stopped. A partition that no worker owns has no series, so alert on absence too.",
    _PARTITION,
)
PROCESSED_OFFSET: Final = _define(
    "processed_offset",
    "gauge",
    "Next offset to process: every earlier event of the partition has its outcome.",
    _PARTITION,
)
COMMITTED_OFFSET: Final = _define(
    "committed_offset",
    "gauge",
    "Offset committed to Kafka. One that stands still while processed_offset grows means that a restart would "
    "repeat the difference.",
    _PARTITION,
)
BATCHES_IN_FLIGHT: Final = _define(
    "batches_in_flight",
    "gauge",
    "Micro-batches sent whose completion is awaited; at its bound intake stops reading.",
)
BATCH_RESENDS: Final = _define(
    "batch_resends_total", "counter", "Micro-batches sent again since their completion did not come in time."
)
BATCH_PARTS: Final = _define(
    "batch_parts_total",
    "counter",
    "Halves of micro-batches that were sent separately, to isolate the event that blocks the others.",
)
CIRCUIT_BREAKER: Final = _define(
    "circuit_breaker_open",
    "gauge",
    "1 while intake has stopped reading because too many of the latest events failed, or probes a few; else 0.",
)
BATCHES_SKIPPED: Final = _define(
    "batches_skipped_total",
    "counter",
    "Micro-batches that a stage read again but did not process: their outcomes are known, or nobody awaits them.",
    ("stage",),
)
LEARNING_UNREAD: Final = _define(
    "learning_unread_messages",
    "gauge",
    "Upper bound of the decisions and verdicts that this worker has yet to learn from; counted by offsets, some "
    "of which compaction may have removed.",
)
STATISTICS_UPDATES: Final = _define(
    "statistics_updates_total",
    "counter",
    "Moves of a product's weight between categories in the live statistics; repeated ones change nothing.",
    ("kind", "result"),
)
TABLE_RECOVERY_SECONDS: Final = _define(
    "table_recovery_seconds",
    "gauge",
    "Duration of the latest recovery of a stage's tables, from their assignment until all were read.",
    ("stage",),
)
TABLE_RECOVERED_RECORDS: Final = _define(
    "table_recovered_records",
    "gauge",
    "Records of changelogs that the latest recovery of a stage's tables read.",
    ("stage",),
)
TABLE_PARTITIONS_BROKEN: Final = _define(
    "table_partitions_broken",
    "gauge",
    "Table partitions of this worker whose changelog was truncated and whose missing records no store holds, so "
    "counts and known products are lost. Any value but 0 needs an operator.",
    ("stage",),
)
MODEL: Final = _define(
    "model_info",
    "info",
    "The model bundle that decides, as labels; gate is accepted, not_gated, or forced; the value is always 1.",
    ("model_version", "taxonomy_version", "encoder", "gate"),
)
BUILD: Final = _define(
    "build_info",
    "info",
    "The release that runs, as labels; the value is always 1.",
    ("version", "python"),
)

DEFINITIONS: Final = tuple(_all)
"""Every metric, in the order of the documentation."""
