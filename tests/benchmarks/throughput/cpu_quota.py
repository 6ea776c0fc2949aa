"""Bound the CPU time of processes, so that two workers can be compared with one on a machine of few cores.

Source: Linux control groups, version 1 (``cpu.cfs_quota_us``) and 2 (``cpu.max``),
https://docs.kernel.org/admin-guide/cgroup-v2.html#cpu
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path

from tests.worker_harness import wait_until

_VERSION_1 = Path("/sys/fs/cgroup/cpu")
_VERSION_2 = Path("/sys/fs/cgroup")
# Short, so that a process that used up its share pauses for milliseconds.
_PERIOD_MICROSECONDS = 10_000
_numbers = count(1)


@contextmanager
def at_most(cores: float | None) -> Iterator[Callable[[int], None]]:
    """Yield a function that lets a process, and what it starts from then on, use so many cores; ``None``: all.

    All processes given to it share them, and must have ended at the end. Raises :class:`RuntimeError` if this
    machine does not let us bound them.
    """
    if cores is None:
        yield lambda _process_id: None
        return
    group = (_VERSION_1 if _VERSION_1.is_dir() else _VERSION_2) / f"shelfwise-{os.getpid()}-{next(_numbers)}"
    try:
        group.mkdir()
        _bound(group, round(cores * _PERIOD_MICROSECONDS))
    except OSError as error:
        with suppress(OSError):
            group.rmdir()
        raise RuntimeError(
            f"no CPU quota here ({error}); it needs Linux and the right to make control groups, as root has"
        ) from error
    processes = group / "cgroup.procs"
    try:
        yield lambda process_id: _write(processes, str(process_id))
    finally:
        wait_until(lambda: not processes.read_text(), f"the end of the processes in {group}")
        group.rmdir()


def _bound(group: Path, microseconds: int) -> None:
    if group.is_relative_to(_VERSION_1):
        _write(group / "cpu.cfs_period_us", str(_PERIOD_MICROSECONDS))
        _write(group / "cpu.cfs_quota_us", str(microseconds))
    else:
        _write(group / "cpu.max", f"{microseconds} {_PERIOD_MICROSECONDS}")


def _write(file: Path, text: str) -> None:
    # Not created if it is missing: then the kernel has no such control.
    with file.open("r+") as opened:
        opened.write(text)
