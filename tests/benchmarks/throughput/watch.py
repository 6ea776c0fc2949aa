"""Measure the CPU time and memory of processes and their children, from Linux's /proc (proc_pid_stat(5))."""

from __future__ import annotations

import os
import time
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from threading import Event, Thread
from typing import Self

from tests.benchmarks.throughput.figures import Span, spent
from tests.process_tree import children, memory_bytes

_TICKS = os.sysconf("SC_CLK_TCK")
_SECONDS = 0.05
# Threads and children are only sampled once in this many samples, because there are many, each with a file.
_THREADS_EVERY = 10
_CHILDREN = "other processes"


def cpu_seconds(stat: str) -> float:
    """Return user and system time from the text of a ``stat`` file, whose name may contain spaces and brackets."""
    fields = stat.rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def peak_memory_mb(process_id: int) -> float:
    """Return the peak memory with children, in MB of 10^6 bytes; raises :class:`OSError` if it has ended."""
    return memory_bytes(process_id, "VmHWM") / 1e6


def _cpu_seconds_of(process_id: int) -> float:
    return cpu_seconds(Path(f"/proc/{process_id}/stat").read_text())


class Watch(Thread):
    """Samples the CPU time of some processes while its context is open."""

    def __init__(self, process_ids: Sequence[int], *, by_thread: bool = False) -> None:
        super().__init__(name="watch", daemon=True)
        self._ids = tuple(process_ids)
        self._by_thread = by_thread
        self._times: list[float] = []
        self._seconds: dict[int, list[float]] = {number: [] for number in self._ids}
        self._children: dict[int, list[int]] = {number: [] for number in self._ids}
        self._threads: dict[str, tuple[list[float], list[float]]] = defaultdict(lambda: ([], []))
        self._stopped = Event()

    def __enter__(self) -> Self:
        self._sample(threads=self._by_thread)
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        self.join()

    def run(self) -> None:
        """Sample until stopped, or until a process has ended."""
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
        """The number of cores that the processes kept busy together, from the first sample to the last."""
        taken = min(map(len, self._seconds.values()))
        if taken < 2:
            raise ValueError("a process that was watched for a moment only kept nothing busy")
        seconds = sum(values[taken - 1] - values[0] for values in self._seconds.values())
        return seconds / (self._times[taken - 1] - self._times[0])

    def spent(self, process_id: int, span: Span) -> float:
        """Return a process's CPU seconds within the span; raises :class:`ValueError` if it ended before."""
        seconds = self._seconds[process_id]
        return spent(self._times[: len(seconds)], seconds, span)

    def spent_by_thread(self, span: Span) -> dict[str, float]:
        """Return the CPU seconds within the span by kind of thread, most expensive first.

        Only threads that cover the span count. The main thread is ``main``, librdkafka's are ``librdkafka``, the
        children are ``other processes``; the six most expensive others are numbered by cost.
        """
        found: dict[str, float] = defaultdict(float)
        others = []
        for name, (times, seconds) in self._threads.items():
            try:
                cost = spent(times, seconds, span)
            except ValueError:
                continue
            if name.startswith(_CHILDREN):
                found[_CHILDREN] += cost
            elif name.startswith("rdk:"):
                found["librdkafka"] += cost
            elif name.startswith("main"):
                found["main"] += cost
            else:
                others.append(cost)
        found |= {f"thread {number}": cost for number, cost in enumerate(sorted(others, reverse=True)[:6], 1)}
        return dict(sorted(found.items(), key=lambda item: -item[1]))

    def _sample(self, *, threads: bool) -> None:
        if len(self._times) % _THREADS_EVERY == 0:
            self._children = {number: children(number) for number in self._ids}
        self._times.append(time.time())
        for number in self._ids:
            tree = (number, *self._children[number])
            self._seconds[number].append(sum(map(_cpu_seconds_of, tree)))
        if threads:
            self._sample_threads(self._ids[0])

    def _sample_threads(self, process_id: int) -> None:
        for child in self._children[process_id]:
            times, seconds = self._threads[f"{_CHILDREN} {child}"]
            times.append(time.time())
            seconds.append(_cpu_seconds_of(child))
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
