"""Start a process that does not outlive us."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

_PR_SET_PDEATHSIG: Final = 1
# Loaded before any fork: between fork and exec a lock that another thread held is never released.
_LIBC: Final = ctypes.CDLL(None) if sys.platform == "linux" else None
# The kernel sends the signal when the *thread* that forked ends (prctl(2)), so all forks come from one that
# lives as long as we do.
_FORKER: Final = ThreadPoolExecutor(1, thread_name_prefix="forker")


def spawn(
    command: Sequence[str],
    output: Path,
    *,
    environment: Mapping[str, str] | None = None,
    death_signal: signal.Signals = signal.SIGKILL,
) -> subprocess.Popen[bytes]:
    """Start ``command``, its output appended to ``output``; raises :class:`OSError` where it cannot be run.

    On Linux the kernel sends it ``death_signal`` when we die, however we die: ``kill -9`` of a test run leaves no
    broker behind, and there is no watchdog that could itself be killed. Elsewhere the caller must stop it at exit.
    Without an ``environment`` it has ours.
    """
    return _FORKER.submit(_spawn, list(command), output, environment, death_signal).result()


def our_code() -> dict[str, str]:
    """Return the variables by which a Python that we start has our code, whatever lies where it is started."""
    return {"PYTHONSAFEPATH": "1", "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}


def die_with_parent(death_signal: signal.Signals = signal.SIGKILL) -> None:
    """Let the kernel send us ``death_signal`` when the thread that started us ends; on Linux alone.

    Where it had ended before, nothing comes: who needs to know looks for the end of a pipe from it too.
    """
    if _LIBC is not None:
        _LIBC.prctl(_PR_SET_PDEATHSIG, death_signal)


def _spawn(
    command: list[str], output: Path, environment: Mapping[str, str] | None, death_signal: signal.Signals
) -> subprocess.Popen[bytes]:
    parent = os.getpid()

    def end_with_parent() -> None:
        die_with_parent(death_signal)
        if os.getppid() != parent:  # it died before the kernel knew
            os._exit(1)

    with output.open("ab") as file:
        return subprocess.Popen(
            command,
            stdout=file,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            env=environment,
            # Own session: Ctrl-C in the terminal is for us to handle, in order.
            start_new_session=True,
            preexec_fn=end_with_parent if _LIBC is not None else None,  # noqa: PLW1509
        )
