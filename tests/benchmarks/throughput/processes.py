"""The contestants as processes: ours as an operator runs it, the others as separate programs."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any, Protocol

from streams.child_process import spawn
from tests.benchmarks.throughput.contestants.job import Place
from tests.benchmarks.throughput.cpu_quota import at_most
from tests.worker_harness import Installation

_PROGRAMS = "tests.benchmarks.throughput.contestants"
_LOG_LINES = 25


class Process(Protocol):
    """A contestant's process."""

    @property
    def process_id(self) -> int:
        """Its process id."""

    def check(self) -> None:
        """Raise an error if it has ended by itself."""


class Program:
    """Runs a program of the package ``contestants``."""

    def __init__(self, module: str, installation: Installation) -> None:
        place = Place(installation.connection.bootstrap_servers or "", installation.prefix, installation.bundle)
        installation.directory.mkdir(parents=True, exist_ok=True)
        self._log = installation.directory / f"{module}.log"
        command = [sys.executable, "-m", f"{_PROGRAMS}.{module}", *place.arguments()]
        self._process: subprocess.Popen[bytes] = spawn(command, self._log)

    @property
    def process_id(self) -> int:
        """Its process id."""
        return self._process.pid

    def check(self) -> None:
        """Raise :class:`RuntimeError` if it has ended by itself."""
        if (status := self._process.poll()) is not None:
            lines = self._log.read_text(errors="replace").splitlines()[-_LOG_LINES:]
            raise RuntimeError(f"it ended with {status}; its log ends:\n" + "\n".join(lines))

    def kill(self) -> None:
        """Kill it; its decisions are measured from the topics."""
        self._process.kill()
        self._process.wait()


@dataclass(frozen=True, slots=True)
class Contestant:
    """How to run a contestant; ``needs`` is an optional package.

    ``learns`` means that its decisions depend on the order of events. With ``before_events``, its processes are
    ready before the events are published, because they share the partitions only once all have joined. ``cores``
    bounds the CPU time of each of them, with the processes that it starts.
    """

    name: str
    title: str
    program: str | None = None
    processes: int = 1
    settings: Mapping[str, Any] = field(default_factory=dict)
    needs: str | None = None
    learns: bool = False
    before_events: bool = False
    cores: float | None = None

    @property
    def missing(self) -> str | None:
        """Return why it cannot run, or ``None``."""
        if self.needs is None or importlib.util.find_spec(self.needs) is not None:
            return None
        return f"{self.title} is left out: {self.needs} is not installed; `make bench` installs it"

    @contextmanager
    def running(self, installation: Installation) -> Iterator[list[Process]]:
        """Yield its processes, and kill them at the end."""
        with ExitStack() as stack:
            if self.program is not None:
                bound = stack.enter_context(at_most(self.cores))
                program = Program(self.program, installation)
                stack.callback(program.kill)
                bound(program.process_id)
                yield [program]
                return
            workers = [installation.worker(**self.settings) for _ in range(self.processes)]
            for worker in workers:
                bound = stack.enter_context(at_most(self.cores))
                stack.callback(worker.__exit__)
                worker.start()
                bound(worker.process_id)
            if self.before_events:
                # Twice, because the others give up partitions again when the last one joins.
                for worker in (*workers, *workers):
                    worker.wait_until_ready()
            yield list(workers)


REGISTRY = {
    contestant.name: contestant
    for contestant in (
        Contestant("bare", "bare loop", program="bare"),
        Contestant("quix", "Quix Streams", program="quix", needs="quixstreams"),
        Contestant("plain_faust", "plain Faust", program="plain_faust"),
        Contestant("ours", "ours", learns=True),
        Contestant("ours_without_learning", "ours, learning off", settings={"learning": "false"}),
        # Publish only when it is ready: the benchmark measures latency, not the start.
        Contestant("ours_latency", "ours, under load", learns=True, before_events=True),
        Contestant("ours_two_processes", "ours, two workers", processes=2, learns=True, before_events=True),
    )
}
