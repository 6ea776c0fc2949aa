"""A reporting process, as seen by the worker that starts it."""

from __future__ import annotations

import asyncio
import logging
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any, cast

from streams.child_process import our_code
from streams.reporting.report import Target, make_reported_call

_log = logging.getLogger(__name__)


class ReportingProcess:
    """A child process that reports, stops when its input is closed, and ends with this process in any case.

    It gets its settings from its environment, and logs to the same place as this process. ``failure`` is the error
    that ended it, unless it was told to stop.
    """

    def __init__(self, name: str, program: str, targets: Mapping[Target, Any]) -> None:
        """``name`` is its name in logs and errors; ``program`` is the module that it runs."""
        self._name = name
        self._program = program
        self._targets = targets
        self._process: asyncio.subprocess.Process | None = None
        self._following: asyncio.Task[None] | None = None
        self._stopping = False
        self.failure: BaseException | None = None

    @property
    def input(self) -> asyncio.StreamWriter:
        """The child's standard input, once it is started."""
        if self._process is None or self._process.stdin is None:
            raise RuntimeError(f"{self._name} is not started")
        return self._process.stdin

    @property
    def process_id(self) -> int:
        """The child's process id, once it is started."""
        if self._process is None:
            raise RuntimeError(f"{self._name} is not started")
        return self._process.pid

    async def start(
        self,
        environment: Mapping[str, str],
        is_ready: Callable[[], bool],
        arguments: Sequence[str] = (),
        pass_fds: Sequence[int] = (),
    ) -> None:
        """Start it; return when ``is_ready`` is true after one of its reports, or when it has ended."""
        process = self._process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            self._program,
            *arguments,
            *(["--debug"] if _log.isEnabledFor(logging.DEBUG) else []),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            env={**environment, **our_code()},
            pass_fds=pass_fds,
            # The worker handles Ctrl-C, and stops its processes in order.
            start_new_session=True,
        )
        ready = asyncio.Event()
        self._following = asyncio.ensure_future(self._follow(process, is_ready, ready))
        await ready.wait()

    async def stop(self, seconds: float) -> None:
        """Let it finish its current work, and kill it if that takes more than ``seconds``."""
        self._stopping = True
        if self._process is None or self._following is None:
            return
        self.input.close()
        await asyncio.wait([self._following], timeout=seconds)
        if not self._following.done():
            _log.error("the %s process did not stop within %.0f s, and is killed", self._name, seconds)
            with suppress(ProcessLookupError):
                self._process.kill()
            await self._following
        elif self._process.returncode:
            _log.error("%s", _ended(self._name, self._process.returncode))

    async def _follow(
        self, process: asyncio.subprocess.Process, is_ready: Callable[[], bool], ready: asyncio.Event
    ) -> None:
        """Make the calls that it reports until it ends."""
        try:
            async for line in cast("asyncio.StreamReader", process.stdout):
                make_reported_call(line, self._targets)
                if is_ready():
                    ready.set()
        except Exception as error:
            _log.exception("a report from the %s process could not be applied", self._name)
            self.failure = error
            with suppress(ProcessLookupError):
                process.kill()
        status = await process.wait()
        if not self._stopping and self.failure is None:
            self.failure = RuntimeError(_ended(self._name, status))
        ready.set()


def _ended(name: str, status: int) -> str:
    """Return the message about a process that ended by itself or was killed."""
    why = (
        " (killed; by the system, if memory ran out: look at the memory limit)"
        if status == -signal.SIGKILL
        else ""
    )
    return f"the {name} process ended with status {status}{why}"
