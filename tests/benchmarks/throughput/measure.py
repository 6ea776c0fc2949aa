"""One run of one contestant: its speed, its cost, and its decisions."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any

from tests.benchmarks.throughput.events import Event
from tests.benchmarks.throughput.figures import middle, per_core
from tests.benchmarks.throughput.processes import Contestant, Process
from tests.benchmarks.throughput.run_topics import Decisions, RunTopics
from tests.benchmarks.throughput.watch import Watch, peak_memory_mb

_POLL_SECONDS = 0.25
# For loading the model and joining the group.
_START_SECONDS = 120.0
# A run counts as stuck when nothing new is decided for this long.
_STUCK_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Throughput:
    """One run. CPU microseconds are user and system time per product, over the middle 80 % of decisions.

    ``cores`` is the number of cores that the contestant's processes kept busy; ``broker_cpu`` is the CPU time of
    Kafka over the same span.
    """

    decided: int
    products_per_second: float
    per_core: float
    cores: float
    cpu: float
    broker_cpu: float
    peak_memory_mb: float
    cpu_by_thread: dict[str, float] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """Return the figures under the keys of the document."""
        return {
            "products_per_second": self.products_per_second,
            "products_per_second_per_core": self.per_core,
            "cores_busy": self.cores,
            "cpu_microseconds_per_product": self.cpu,
            "broker_cpu_microseconds_per_product": self.broker_cpu,
            "peak_memory_mb": self.peak_memory_mb,
        }


@dataclass(frozen=True, slots=True)
class Work:
    """The work that all contestants get: the events, with at most ``seconds`` from their first decision on.

    The values of decisions are kept for the keys in ``keep``.
    """

    events: list[Event]
    seconds: float
    keep: frozenset[bytes]


def run(contestant: Contestant, topics: RunTopics, broker: int, work: Work) -> tuple[Throughput, Decisions]:
    """Let a contestant decide the events; ``broker`` is Kafka's process id.

    Raises :class:`RuntimeError` if the contestant ends or gets stuck, and :class:`ValueError` if it decided too
    few.
    """
    events = work.events
    if not contestant.before_events:
        topics.publish(events)
    with contestant.running(topics.installation) as processes:
        ids = [process.process_id for process in processes]
        with Watch([*ids, broker], by_thread=len(ids) == 1) as watch:
            if contestant.before_events:
                topics.publish(events)
            _wait(topics, processes, len(events), work.seconds)
            until = time.time()
            peak = sum(peak_memory_mb(number) for number in ids)
    decisions = topics.read(work.keep)
    # Decisions made while the contestant was being stopped were not watched.
    times = decisions.times[decisions.times <= until]
    span = middle(times)
    cpu = sum(watch.spent(number, span) for number in ids)
    cores = cpu / (span.ended - span.began)
    microseconds = 1e6 / span.products
    found = Throughput(
        decided=len(times),
        products_per_second=span.per_second,
        per_core=per_core(span.per_second, cores),
        cores=cores,
        cpu=cpu * microseconds,
        broker_cpu=watch.spent(broker, span) * microseconds,
        peak_memory_mb=peak,
        cpu_by_thread={name: cost * microseconds for name, cost in watch.spent_by_thread(span).items()},
    )
    return found, decisions


def _wait(topics: RunTopics, processes: list[Process], events: int, seconds: float) -> None:
    began = changed = time.monotonic()
    first: float | None = None
    seen = 0
    while seen < events:
        time.sleep(_POLL_SECONDS)
        for process in processes:
            process.check()
        now, count = time.monotonic(), topics.count()
        if count != seen:
            seen, changed = count, now
            first = now if first is None else first
        if first is not None and now - first > seconds:
            return
        if now - (began if first is None else changed) > (_START_SECONDS if first is None else _STUCK_SECONDS):
            raise RuntimeError(f"{seen} of {events} events were decided, and then no more")
