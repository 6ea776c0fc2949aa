"""A broker and workers for one run, with a supervisor that restarts workers like an orchestrator."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event, RLock, Thread
from typing import Any, TypeVar

from confluent_kafka import Consumer, KafkaException, TopicPartition

from schemas.topics import PRODUCTS_CHANGED
from streams.kafka.connection import KafkaConnection
from streams.kafka.local import LocalKafka
from tests.worker_harness import PARTITIONS, Installation, Worker

_LOOK_SECONDS = 0.5
_PATIENCE_SECONDS = 60.0
Answer = TypeVar("Answer")


class ManagedWorker(Worker):
    """A worker that is restarted if it ends by itself; it keeps its data directory."""

    wanted = False
    starts = 0

    def launch(self) -> None:
        """Start it, and keep it running."""
        self.wanted = True
        self.starts += 1
        self.start()

    def end(self) -> None:
        """Kill it with SIGKILL, and do not restart it."""
        self.wanted = False
        if self.running:
            self.kill()

    def leave(self) -> int:
        """Ask it to stop, and do not restart it."""
        self.wanted = False
        return self.stop() if self.running else 0

    @property
    def running(self) -> bool:
        """Whether its process is alive."""
        return self._process is not None and self._process.poll() is None

    def metrics_text(self) -> str:
        """Return the response of /metrics."""
        return self.answer("/metrics")[1].decode()


class Progress:
    """The progress of intake's committed offsets; keeps the last known ones while the broker does not answer."""

    def __init__(self, installation: Installation) -> None:
        self._topic = installation.name(PRODUCTS_CHANGED)
        group = installation.settings().group("intake")
        self._consumer = Consumer(installation.connection.consumer_config(group, {"log_level": 0}))
        self._committed = dict.fromkeys(range(PARTITIONS), 0)

    def committed(self) -> int:
        """Return the number of events whose outcome is committed."""
        places = [TopicPartition(self._topic, number) for number in range(PARTITIONS)]
        try:
            for place in self._consumer.committed(places, 2.0):
                if place.error is None and place.offset >= 0:
                    self._committed[place.partition] = place.offset
        except KafkaException:
            pass
        return sum(self._committed.values())

    def close(self) -> None:
        """Close the consumer."""
        self._consumer.close()


@dataclass
class Site:
    """What faults act on; ``worker_exits`` counts workers that ended by themselves."""

    broker: LocalKafka
    installation: Installation
    progress: Progress
    overrides: dict[str, Any]
    workers: list[ManagedWorker] = field(default_factory=list)
    worker_exits: int = 0
    _lock: RLock = field(default_factory=RLock)
    _stopped: Event = field(default_factory=Event)

    def add_worker(self) -> ManagedWorker:
        """Start another worker."""
        worker = ManagedWorker(self.installation, (), self.overrides)
        with self._lock:
            worker.launch()
            self.workers.append(worker)
        return worker

    def remove_worker(self) -> None:
        """Ask the last worker to stop."""
        with self._lock:
            worker = self.workers.pop()
        worker.leave()

    def restart(self, worker: ManagedWorker, *, without_data: bool = False) -> None:
        """Kill a worker, delete its data if asked, and start it again."""
        with self._lock:
            worker.end()
            if without_data:
                shutil.rmtree(worker.data, ignore_errors=True)
            worker.launch()

    def supervise(self) -> None:
        """Restart workers that end by themselves, until the site is closed."""
        while not self._stopped.wait(_LOOK_SECONDS):
            with self._lock:
                for worker in self.workers:
                    if worker.wanted and not worker.running:
                        self.worker_exits += 1
                        worker.launch()

    def close(self) -> None:
        """Kill all workers."""
        self._stopped.set()
        with self._lock:
            for worker in self.workers:
                worker.end()
        self.progress.close()


@contextmanager
def open_site(bundle: Path, directory: Path, **overrides: Any) -> Iterator[Site]:
    """Yield a site with one worker, on a broker of its own."""
    with ExitStack() as stack:
        broker = stack.enter_context(LocalKafka())
        connection = KafkaConnection(bootstrap_servers=broker.bootstrap_servers)
        installation = Installation(connection, "fault.", bundle, directory).create()
        site = Site(broker, installation, Progress(installation), overrides)
        stack.callback(site.close)
        site.add_worker().wait_until_ready()
        supervisor = Thread(target=site.supervise, name="supervisor", daemon=True)
        supervisor.start()
        yield site


def patiently(question: Callable[[], Answer]) -> Answer:
    """Return the answer; ask again while the broker still recovers from a fault."""
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while True:
        try:
            return question()
        except KafkaException:
            if time.monotonic() > deadline:
                raise
            time.sleep(_LOOK_SECONDS)


def wait_for(condition: Callable[[], bool], seconds: float, poll: float = 0.2) -> bool:
    """Return whether the condition holds in time."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(poll)
    return True
