"""A process and its children, from Linux's /proc (proc_pid_children(5), proc_pid_status(5))."""

from __future__ import annotations

import os
import select
import signal
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path


def children(process_id: int) -> list[int]:
    """Return the living children of a process; none if it has ended."""
    found: list[int] = []
    for task in Path(f"/proc/{process_id}/task").glob("*/children"):
        try:
            found += map(int, task.read_text().split())
        except OSError:  # the thread has ended
            continue
    return found


def alive(process_id: int) -> bool:
    """Return whether a process is there and has not ended, though its parent may not know yet."""
    try:
        stat = Path(f"/proc/{process_id}/stat").read_text()
    except OSError:
        return False
    return stat.rpartition(")")[2].split()[0] not in ("Z", "X")


def running(process_id: int, program: str) -> list[int]:
    """Return the children of a process that run this Python module, in order of process id."""
    return sorted(number for number in children(process_id) if program in _command(number))


def after_its_end(process_id: int, act: Callable[[], object], seconds: float = 30) -> None:
    """Call ``act``, and return when the process has ended; fails if that takes longer than ``seconds``."""
    with closing(os.fdopen(os.pidfd_open(process_id))) as process:
        act()
        assert select.select([process], [], [], seconds)[0]


@contextmanager
def frozen(process_id: int) -> Iterator[None]:
    """Freeze a process (SIGSTOP) while the context is open."""
    os.kill(process_id, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(process_id, signal.SIGCONT)


def memory_bytes(process_id: int, field: str) -> int:
    """Return ``VmRSS`` or ``VmHWM`` of a process and its children; raises :class:`OSError` if it has ended."""
    return sum(_memory_bytes(number, field) for number in (process_id, *children(process_id)))


def _command(process_id: int) -> list[str]:
    try:
        return Path(f"/proc/{process_id}/cmdline").read_text().split("\0")
    except OSError:  # it has ended
        return []


def _memory_bytes(process_id: int, field: str) -> int:
    status = Path(f"/proc/{process_id}/status").read_text()
    line = next(line for line in status.splitlines() if line.startswith(f"{field}:"))
    return int(line.split()[1]) * 1024
