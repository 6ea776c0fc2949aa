"""Measure the starts of a worker, and the replacement of its model under load."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from threading import Timer

import numpy as np
from numpy.typing import NDArray

from tests.benchmarks.throughput.events import generate
from tests.benchmarks.throughput.figures import percentile
from tests.benchmarks.throughput.latency import await_decisions
from tests.benchmarks.throughput.run_topics import RunTopics
from tests.benchmarks.throughput.schedule import Schedule
from tests.worker_harness import Worker, wait_until
from workers.bundle.files import read_manifest

_OVERLAP_SECONDS = 2.0
_QUIET_SECONDS = 10.0
_SWAP_SECONDS = 20.0


@dataclass(frozen=True, slots=True)
class Swap:
    """How late decisions are, in ms from when their events were due, before the swap and from the swap on."""

    rate: float
    events: int
    undecided: int
    before_p50_ms: float
    before_p99_ms: float
    before_max_ms: float
    swap_p50_ms: float
    swap_p99_ms: float
    swap_max_ms: float


def starts(topics: RunTopics, count: int) -> Iterator[float]:
    """Yield the seconds from the start of a worker's process until it is ready, one worker after the other.

    The first worker creates its topics; each has tables of its own to recover, which are empty.
    """
    for _ in range(count):
        worker = topics.installation.worker(learning=False)
        began = time.perf_counter()
        try:
            worker.start().wait_until_ready()
            yield time.perf_counter() - began
        finally:
            worker.stop()


def swap(topics: RunTopics, bundle: Path, later: Path, rate: float, seed: int) -> Swap:
    """Point ``bundle``, the link to a worker's bundle, to ``later`` while events come at a constant rate."""
    warm, schedule = 2_000, Schedule.lasting(rate, _QUIET_SECONDS + _SWAP_SECONDS)
    events = generate(seed, warm + schedule.events)
    version = read_manifest(later).model_version
    worker = topics.installation.worker(
        learning=False, bundle_poll_seconds=0.5, bundle_overlap_seconds=_OVERLAP_SECONDS
    )
    with worker:
        topics.publish(events[:warm])
        await_decisions(topics, warm)
        turn = bundle.with_name("turn")
        turn.symlink_to(later)
        turning = Timer(_QUIET_SECONDS, os.replace, (turn, bundle))
        turning.start()
        start, _ = topics.publish_on_schedule(schedule, events[warm:])
        turning.join()
        found = await_decisions(topics, schedule.events)
        wait_until(partial(_says, worker, f"model {version}, gate"), "the later model decides")
    keys = [key for key, _ in events[warm:]]
    numbers = np.array([number for number, key in enumerate(keys) if key in found.appended], np.int64)
    appended = np.array([found.appended[keys[number]] for number in numbers], np.float64)
    late = schedule.latencies(numbers, appended, start)
    return _swap(rate, numbers, late, schedule.events)


def _swap(rate: float, numbers: NDArray[np.int64], late: NDArray[np.float64], events: int) -> Swap:
    turned = numbers >= rate * _QUIET_SECONDS
    before, during = late[~turned & (numbers >= rate)], late[turned]
    return Swap(
        rate=rate,
        events=events,
        undecided=events - len(numbers),
        before_p50_ms=percentile(before, 0.50),
        before_p99_ms=percentile(before, 0.99),
        before_max_ms=float(before.max()),
        swap_p50_ms=percentile(during, 0.50),
        swap_p99_ms=percentile(during, 0.99),
        swap_max_ms=float(during.max()),
    )


def _says(worker: Worker, text: str) -> bool:
    return text in worker.log.read_text()
