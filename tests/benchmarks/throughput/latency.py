"""The latency of decisions at a constant rate, from when each event was due until its decision was in Kafka."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from tests.benchmarks.throughput.events import Event
from tests.benchmarks.throughput.figures import percentile
from tests.benchmarks.throughput.processes import Contestant
from tests.benchmarks.throughput.run_topics import Decisions, RunTopics
from tests.benchmarks.throughput.schedule import Schedule
from tests.benchmarks.throughput.watch import Watch

_POLL_SECONDS = 0.1
_PATIENCE_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Latency:
    """Latencies in ms at one load, a share of capacity; ``publisher_late_ms`` is an event's greatest lateness.

    ``cores`` is the number of cores that the worker kept busy from the first event until the last decision.
    ``undecided`` events had no decision a minute after the last event was sent: the load was too high.
    """

    load: float
    rate: float
    events: int
    undecided: int
    p50_ms: float
    p99_ms: float
    p999_ms: float
    max_ms: float
    publisher_late_ms: float
    cores: float


@dataclass(frozen=True, slots=True)
class Plan:
    """The loads, as shares of ``capacity`` in products per second, and how long each is warmed up and measured."""

    capacity: float
    loads: tuple[float, ...]
    seconds: float
    warm_up_seconds: float

    @property
    def events(self) -> int:
        """The total number of events."""
        return self._burst + sum(self._schedule(load).events for load in self.loads)

    def run(self, contestant: Contestant, topics: RunTopics, events: list[Event]) -> Iterator[Latency]:
        """Yield the latencies at each load, in the order of ``loads``, with the same processes throughout."""
        rest = iter(events)
        with contestant.running(topics.installation) as processes:
            # A new worker has empty word caches, and its allocators have not settled.
            topics.publish([next(rest) for _ in range(self._burst)])
            await_decisions(topics, self._burst)
            for load in self.loads:
                schedule = self._schedule(load)
                chosen = [next(rest) for _ in range(schedule.events)]
                with Watch([process.process_id for process in processes]) as watch:
                    start, late = topics.publish_on_schedule(schedule, chosen)
                    decisions = await_decisions(topics, len(chosen))
                for process in processes:
                    process.check()
                sent = _Sent(load, schedule, chosen, start, late, watch.cores)
                yield _latency(sent, decisions, self.warm_up_seconds)

    @property
    def _burst(self) -> int:
        return int(self.capacity * self.warm_up_seconds)

    def _schedule(self, load: float) -> Schedule:
        return Schedule.lasting(load * self.capacity, self.warm_up_seconds + self.seconds)


@dataclass(frozen=True, slots=True)
class _Sent:
    load: float
    schedule: Schedule
    events: list[Event]
    start: float
    late_ms: float
    cores: float


def _latency(sent: _Sent, decisions: Decisions, warm_up_seconds: float) -> Latency:
    first = int(warm_up_seconds * sent.schedule.rate)
    measured = range(first, len(sent.events))
    known = [number for number in measured if sent.events[number][0] in decisions.appended]
    appended = np.array([decisions.appended[sent.events[number][0]] for number in known], np.float64)
    milliseconds = sent.schedule.latencies(np.array(known, np.int64), appended, sent.start)
    return Latency(
        load=sent.load,
        rate=sent.schedule.rate,
        events=len(measured),
        undecided=len(measured) - len(known),
        p50_ms=percentile(milliseconds, 0.50),
        p99_ms=percentile(milliseconds, 0.99),
        p999_ms=percentile(milliseconds, 0.999),
        max_ms=float(milliseconds.max()),
        publisher_late_ms=sent.late_ms,
        cores=sent.cores,
    )


def await_decisions(topics: RunTopics, events: int) -> Decisions:
    """Read decisions until there is one for each event, or 60 seconds have passed."""
    found = Decisions()
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while len(found.appended) < events and time.monotonic() < deadline:
        time.sleep(_POLL_SECONDS)
        found.appended |= topics.read().appended
    return found
