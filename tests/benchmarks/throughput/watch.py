"""What processes cost, by Linux's /proc (proc_pid_stat(5), proc_pid_status(5))."""

from __future__ import annotations

import os
import time
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from threading import Event, Thread
from types import TracebackType
from typing import Self

from tests.benchmarks.throughput.figures import Span, spent

_TICKS = os.sysconf("SC_CLK_TCK")
_SECONDS = 0.05
# Threads are many, and each is a file: they are looked at once in so many samples.
_THREADS_EVERY = 10


def cpu_seconds(stat: str) -> float:
    """Return user and system time from the text of a ``stat`` file; a name may hold spaces and brackets."""
    fields = stat.rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def peak_memory_mb(process_id: int) -> float:
    """Return the peak resident memory (VmHWM) in MB of 10^6 bytes; raises :class:`OSError` where it has ended."""
    status = Path(f"/proc/{process_id}/status").read_text()
    line = next(line for line in status.splitlines() if line.startswith("VmHWM:"))
    return int(line.split()[1]) * 1024 / 1e6


class Watch(Thread):
    """Samples the CPU time of some processes, from entry to exit of the context."""

    def __init__(self, process_ids: Sequence[int], *, by_thread: bool = False) -> None:
        super().__init__(name="watch", daemon=True)
        self._ids = tuple(process_ids)
        self._by_thread = by_thread
        self._times: list[float] = []
        self._seconds: dict[int, list[float]] = {number: [] for number in self._ids}
        self._threads: dict[str, tuple[list[float], list[float]]] = defaultdict(lambda: ([], []))
        self._stopped = Event()

    def __enter__(self) -> Self:
        self._sample(threads=self._by_thread)
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._stopped.set()
        self.join()

    def run(self) -> None:
        """Sample until told to stop, or a process has ended."""
        while True:
            last = self._stopped.is_set()
            try:
                self._sample(threads=self._by_thread and (last or len(self._times) % _THREADS_EVERY == 0))
            except (OSError, IndexError):
                return
            if last:
                return
            self._stopped.wait(_SECONDS)

    @property
    def cores(self) -> float:
        """What the processes kept busy together from the first sample to the last."""
        taken = min(map(len, self._seconds.values()))
        if taken < 2:
            raise ValueError("a process that was watched for a moment only kept nothing busy")
        seconds = sum(values[taken - 1] - values[0] for values in self._seconds.values())
        return seconds / (self._times[taken - 1] - self._times[0])

    def spent(self, process_id: int, span: Span) -> float:
        """Return a process's CPU seconds within the span; raises :class:`ValueError` where it ended before."""
        seconds = self._seconds[process_id]
        return spent(self._times[: len(seconds)], seconds, span)

    def spent_by_thread(self, span: Span) -> dict[str, float]:
        """Return the CPU seconds within the span by kind of thread, those that cover it: most expensive first.

        The main thread is ``main``, librdkafka's are ``librdkafka``; others are numbered by what they cost.
        """
        found: dict[str, float] = defaultdict(float)
        others = []
        for name, (times, seconds) in self._threads.items():
            try:
                cost = spent(times, seconds, span)
            except ValueError:
                continue
            if name.startswith("rdk:"):
                found["librdkafka"] += cost
            elif name.startswith("main"):
                found["main"] += cost
            else:
                others.append(cost)
        found |= {f"thread {number}": cost for number, cost in enumerate(sorted(others, reverse=True)[:6], 1)}
        return dict(sorted(found.items(), key=lambda item: -item[1]))

    def _sample(self, *, threads: bool) -> None:
        self._times.append(time.time())
        for number in self._ids:
            self._seconds[number].append(cpu_seconds(Path(f"/proc/{number}/stat").read_text()))
        if threads:
            self._sample_threads(self._ids[0])

    def _sample_threads(self, process_id: int) -> None:
        for task in Path(f"/proc/{process_id}/task").iterdir():
            try:
                text = (task / "stat").read_text()
            except OSError:  # it has ended
                continue
            name = text[text.index("(") + 1 : text.rindex(")")]
            kind = "main" if int(task.name) == process_id else name
            times, seconds = self._threads[f"{kind} {task.name}"]
            times.append(time.time())
            seconds.append(cpu_seconds(text))
