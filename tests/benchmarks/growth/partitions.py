"""The speed and cost of a worker on a real Kafka, by the number of partitions."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import msgspec

from streams.kafka.connection import KafkaConnection
from streams.kafka.local import LocalKafka
from tests.benchmarks.throughput.events import generate
from tests.benchmarks.throughput.figures import Span
from tests.benchmarks.throughput.run_topics import RunTopics, run_topics
from tests.benchmarks.throughput.watch import Watch, peak_memory_mb
from tests.worker_harness import Worker

_POLL_SECONDS = 0.25
_MOST_SECONDS = 60.0


class PartitionPoint(msgspec.Struct):
    """The figures of a worker that finds all events already published when it starts.

    ``ready_seconds`` is the time from the start of its process until it has its partitions. From then until its
    last decision, products are counted, and CPU microseconds per product of the worker and the broker. ``resends``
    counts batches whose completion came too late.
    """

    partitions: int
    learning: bool
    decided: int
    ready_seconds: float
    products_per_second: float
    us: float
    broker_us: float
    peak_memory_mb: float
    resends: int


def by_partition(
    bundle: Path, counts: Iterable[int], events: int, seed: int, say: Callable[[str], None]
) -> Iterator[PartitionPoint]:
    """Yield two points for each count, with learning on and off: a worker decides events for at most a minute.

    Raises :class:`schemas.errors.KafkaUnavailable` if Kafka does not start, and :class:`RuntimeError` if a worker
    decides nothing.
    """
    generated = generate(seed, events)
    with tempfile.TemporaryDirectory(prefix="shelfwise-growth-") as directory, LocalKafka() as broker:
        connection = KafkaConnection(bootstrap_servers=broker.bootstrap_servers)
        assert broker.process_id is not None
        for count in counts:
            for learning in (True, False):
                say(f"{count} partitions, learning {'on' if learning else 'off'}")
                name = f"partitions-{count}-{learning}"
                with run_topics(connection, f"{name}.", bundle, Path(directory) / name, count) as topics:
                    topics.publish(generated)
                    yield _run(topics, broker.process_id, events, learning=learning)


def _run(topics: RunTopics, broker: int, events: int, *, learning: bool) -> PartitionPoint:
    place, began = topics.installation, time.monotonic()
    with place.worker(learning=learning) as worker:
        ready = time.monotonic() - began
        # Not only the middle 80 %: with many partitions, everything in flight may be decided in one burst.
        with Watch([worker.process_id, broker]) as watch:
            started = time.time()
            _wait(topics, worker, events)
            until = time.time()
            peak = peak_memory_mb(worker.process_id)
            resends = int(worker.metric("shelfwise_batch_resends_total"))
    times = topics.read().times
    times = times[times <= until]
    if not len(times):
        raise RuntimeError(f"a worker of {place.partitions} partitions decided nothing in {until - started:.0f} s")
    span = Span(started, float(times.max()), len(times))
    return PartitionPoint(
        partitions=place.partitions,
        learning=learning,
        decided=span.products,
        ready_seconds=ready,
        products_per_second=span.per_second,
        us=1e6 * watch.spent(worker.process_id, span) / span.products,
        broker_us=1e6 * watch.spent(broker, span) / span.products,
        peak_memory_mb=peak,
        resends=resends,
    )


def _wait(topics: RunTopics, worker: Worker, events: int) -> None:
    deadline = time.monotonic() + _MOST_SECONDS
    while topics.count() < events and time.monotonic() < deadline:
        time.sleep(_POLL_SECONDS)
        worker.check()
