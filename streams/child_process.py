"""Start a process that does not outlive this one."""

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
# Loaded before any fork: after a fork, a lock that another thread held is never released in the child.
_LIBC: Final = ctypes.CDLL(None) if sys.platform == "linux" else None
# The kernel sends the signal when the *thread* that forked ends (prctl(2)), so all forks are made by one thread
# that lives as long as this process.
_FORKER: Final = ThreadPoolExecutor(1, thread_name_prefix="forker")


def spawn(
    command: Sequence[str],
    output: Path,
    *,
    environment: Mapping[str, str] | None = None,
    death_signal: signal.Signals = signal.SIGKILL,
) -> subprocess.Popen[bytes]:
    """Start ``command`` and append its output to ``output``; raises :class:`OSError` if it cannot be run.

    On Linux the kernel sends it ``death_signal`` when this process ends, however it ends. So ``kill -9`` of a test
    run leaves no broker behind, and no watchdog is needed that could itself be killed. On other systems the caller
    must stop it at exit. Without an ``environment`` it inherits ours.
    """
    return _FORKER.submit(_spawn, list(command), output, environment, death_signal).result()


def our_code() -> dict[str, str]:
    """Return the variables that let a Python process import our code, whatever directory it starts in."""
    return {"PYTHONSAFEPATH": "1", "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}


def die_with_parent(death_signal: signal.Signals = signal.SIGKILL) -> None:
    """Ask the kernel to send this process ``death_signal`` when its parent thread ends; Linux only.

    If that thread had ended before the call, no signal comes. A process for which that matters must also watch for
    the end of a pipe from its parent.
    """
    if _LIBC is not None:
        _LIBC.prctl(_PR_SET_PDEATHSIG, death_signal)


def _spawn(
    command: list[str], output: Path, environment: Mapping[str, str] | None, death_signal: signal.Signals
) -> subprocess.Popen[bytes]:
    parent = os.getpid()

    def end_with_parent() -> None:
        die_with_parent(death_signal)
        if os.getppid() != parent:  # the parent died before prctl took effect
            os._exit(1)

    with output.open("ab") as file:
        return subprocess.Popen(
            command,
            stdout=file,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            env=environment,
            # In its own session, because we handle Ctrl-C in the terminal, in order.
            start_new_session=True,
            preexec_fn=end_with_parent if _LIBC is not None else None,  # noqa: PLW1509
        )
