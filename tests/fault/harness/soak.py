"""A soak test: check that memory, latency and lag stay flat at a constant rate for a long time."""

from __future__ import annotations

import itertools
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np
from prometheus_client.parser import text_string_to_metric_families

from schemas.events.codec import encode
from schemas.events.product import Product
from tests.fault.harness.lag import LearningLag
from tests.fault.harness.publisher import Publisher
from tests.fault.harness.site import ManagedWorker, Site, open_site
from tests.fault.harness.stream import Stream, StreamEvent
from tests.process_tree import memory_bytes
from tests.worker_harness import wait_until

SAMPLE_SECONDS: Final = 60.0
# About 10,000 products in all blocks.
_BLOCK: Final = 2_000
_BLOCKS: Final = 10
_BETWEEN_CYCLES: Final = timedelta(days=1)
# A low limit, so that the tables' memory use is at its maximum before the warm-up ends.
_SETTINGS: Final[dict[str, Any]] = {"learning": True, "table_memory_mib": 64}
_CAPACITY_SEED: Final = 1_000_000
# For the warm-up and for the measurement.
_CAPACITY_SECONDS: Final = (30.0, 60.0)
_AHEAD: Final = 4_000
# In messages: the decisions and verdicts of two seconds.
_MAX_LEARNING_LAG: Final = 2_000
_LATENCY: Final = "shelfwise_end_to_end_latency_seconds_bucket"
# At first, caches fill and allocators settle.
_WARM_UP: Final = 0.2
# Bounds for the growth of each figure over the whole soak, by its slope.
_MAX_RSS_GROWTH: Final = 0.10
_MAX_LATENCY_GROWTH: Final = 0.50
_MAX_LATENCY_GROWTH_SECONDS: Final = 0.05
_MAX_LAG_GROWTH_SECONDS: Final = 2.0


@dataclass(frozen=True, slots=True)
class SoakSample:
    """One minute: resident memory of all workers in MiB, latencies of its events in seconds, lag at its end.

    ``lag_events`` counts events without an outcome, ``learning_lag`` messages that have yet to be learned from.
    """

    minute: int
    rss_mib: float
    p50_seconds: float
    p99_seconds: float
    lag_events: int
    learning_lag: int
    events: int


def soak(
    bundle: Path, minutes: float, load: float, rate: float | None = None, say: Callable[[str], None] = print
) -> dict[str, Any]:
    """Publish for ``minutes``; return samples, verdict and settings.

    ``load`` is the share of the capacity to use, which is measured first; a ``rate`` in events per second replaces
    both.
    """
    with (
        tempfile.TemporaryDirectory() as directory,
        open_site(bundle, Path(directory), **_SETTINGS) as site,
        closing(LearningLag(site.installation)) as lag,
    ):
        capacity = None
        if rate is None:
            capacity = _capacity(site, lag)
            rate = load * capacity
            say(f"capacity: {capacity:.0f} events a second; the soak has {rate:.0f}")
        done = site.progress.committed()
        publisher = Publisher(
            site.installation, _endless(1), site.progress.committed, ahead=1_000_000, rate=rate, keep=False
        )
        with _running(publisher):
            samples = list(_samples(_Watched(site, publisher, lag, done), minutes, say))
        problems = verdict(samples, rate)
        return {
            "minutes": minutes,
            "capacity": capacity,
            "rate": rate,
            "flat": not problems,
            "problems": problems,
            "worker_exits": site.worker_exits,
            "samples": [asdict(sample) for sample in samples],
        }


@contextmanager
def _running(publisher: Publisher) -> Iterator[None]:
    publisher.start()
    try:
        yield
    finally:
        publisher.stopped.set()
        publisher.join()


def _capacity(site: Site, lag: LearningLag) -> float:
    """Return how many events per second are done if there are always more to come and learning keeps up.

    When learning is behind, it is cheaper per message, because it handles many changes of a store together. So a
    rate at which it falls behind is not sustainable.
    """

    def committed() -> int:
        """Return the committed events; if learning is behind, a number so low that the publisher waits."""
        return site.progress.committed() if lag.lately() <= _MAX_LEARNING_LAG else -_AHEAD

    publisher = Publisher(site.installation, _endless(_CAPACITY_SEED), committed, ahead=_AHEAD, keep=False)
    with _running(publisher):
        time.sleep(_CAPACITY_SECONDS[0])
        began, before = time.monotonic(), site.progress.committed()
        time.sleep(_CAPACITY_SECONDS[1])
    wait_until(lambda: site.progress.committed() >= publisher.sent, "the events of the warm-up are done")
    wait_until(lambda: not lag.messages(), "they are learned from")
    return (publisher.sent - before) / (time.monotonic() - began)


def verdict(samples: Sequence[SoakSample], rate: float) -> list[str]:
    """Return what grows, by the slope of a least-squares line through the samples after the first fifth."""
    settled = samples[int(len(samples) * _WARM_UP) :]
    if len(settled) < 3:
        return [f"{len(samples)} samples are too few to tell"]
    found = []
    rss, before = _growth(settled, lambda sample: sample.rss_mib)
    if rss > _MAX_RSS_GROWTH * before:
        found.append(f"memory grows: {rss:.0f} MiB over {before:.0f} MiB")
    for name, get in (("p50", lambda item: item.p50_seconds), ("p99", lambda item: item.p99_seconds)):
        grown, before = _growth(settled, get)
        if grown > max(_MAX_LATENCY_GROWTH * before, _MAX_LATENCY_GROWTH_SECONDS):
            found.append(f"latency grows: {name} by {grown:.2f} s over {before:.2f} s")
    lags = (("events", lambda item: item.lag_events), ("learning, messages", lambda item: item.learning_lag))
    for name, get in lags:
        lag, _ = _growth(settled, get)
        if lag > _MAX_LAG_GROWTH_SECONDS * rate:
            found.append(f"lag grows: {name} by {lag:.0f}")
    return found


def _growth(samples: Sequence[SoakSample], get: Callable[[SoakSample], float]) -> tuple[float, float]:
    """Return the rise of the line from the first sample to the last, and its value at the first."""
    minutes = np.array([sample.minute for sample in samples], np.float64)
    slope, start = np.polyfit(minutes - minutes[0], np.array([get(sample) for sample in samples]), 1)
    return float(slope * (minutes[-1] - minutes[0])), float(start)


@dataclass(frozen=True, slots=True)
class _Watched:
    """What is sampled; ``done`` events were committed before."""

    site: Site
    publisher: Publisher
    lag: LearningLag
    done: int


def _samples(watched: _Watched, minutes: float, say: Callable[[str], None]) -> Iterator[SoakSample]:
    """Yield one sample per minute."""
    site, publisher = watched.site, watched.publisher
    began = time.monotonic()
    before = _buckets(site.workers)
    minute = 0
    while time.monotonic() - began < minutes * 60:
        minute += 1
        time.sleep(max(0.0, began + minute * SAMPLE_SECONDS - time.monotonic()))
        buckets = _buckets(site.workers)
        new = {bound: count - before.get(bound, 0.0) for bound, count in buckets.items()}
        before = buckets
        sample = SoakSample(
            minute=minute,
            rss_mib=sum(_rss_mib(worker) for worker in site.workers),
            p50_seconds=_quantile(new, 0.50),
            p99_seconds=_quantile(new, 0.99),
            lag_events=watched.done + publisher.sent - site.progress.committed(),
            learning_lag=watched.lag.messages(),
            events=int(max(new.values(), default=0.0)),
        )
        say(str(sample))
        yield sample


def _endless(seed: int) -> Iterator[StreamEvent]:
    """Yield the same catalogue's events forever, edited in each cycle, so that the known products do not grow."""
    events = [event for block in range(_BLOCKS) for event in Stream(seed + block, _BLOCK)]
    for cycle in itertools.count():
        for event in events:
            yield _edited(event, cycle)


def _edited(event: StreamEvent, cycle: int) -> StreamEvent:
    if event.value is None or event.kind in ("broken", "verdict"):
        return event
    product = msgspec.json.decode(event.value, type=Product)
    date = product.updated_at
    edited = msgspec.structs.replace(
        product,
        title=f"{product.title} {cycle}",
        updated_at=None if date is None else date + cycle * _BETWEEN_CYCLES,
    )
    return replace(event, value=encode(edited))


def _buckets(workers: Sequence[ManagedWorker]) -> dict[float, float]:
    """Return the cumulative counts of the end-to-end latency of all workers, by upper bound."""
    found: dict[float, float] = {}
    for worker in workers:
        for family in text_string_to_metric_families(worker.metrics_text()):
            for item in family.samples:
                if item.name == _LATENCY:
                    bound = float(item.labels["le"])
                    found[bound] = found.get(bound, 0.0) + item.value
    return found


def _quantile(buckets: dict[float, float], share: float) -> float:
    """Return a quantile by linear interpolation within its bucket, like PromQL's ``histogram_quantile``."""
    total = max(buckets.values(), default=0.0)
    low_bound, low_count = 0.0, 0.0
    for bound, count in sorted(buckets.items()):
        if total and count >= share * total:
            if np.isinf(bound) or count == low_count:
                return low_bound
            return low_bound + (bound - low_bound) * (share * total - low_count) / (count - low_count)
        low_bound, low_count = bound, count
    return 0.0


def _rss_mib(worker: ManagedWorker) -> float:
    """Return the resident memory of a worker and its children."""
    return memory_bytes(worker.process_id, "VmRSS") / (1 << 20)
