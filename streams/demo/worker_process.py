"""Run a worker in a separate process that ends with this one."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any, Final, Self

import orjson

from schemas.errors import ShelfwiseError
from streams.child_process import our_code, spawn
from streams.kafka.ready import free_port
from streams.settings import Settings

READY_SECONDS: Final = 120.0
_STOP_SECONDS: Final = 30.0
_LOG_LINES_SHOWN: Final = 15


class WorkerFailed(ShelfwiseError):
    """The worker did not start, or ended too early."""


class WorkerProcess:
    """Runs ``shelfwise worker`` while its context is open; the worker's log goes to ``log``."""

    def __init__(self, settings: Settings, log: Path) -> None:
        self.log = log
        self.port = free_port()
        self._settings = settings
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """The base URL of /metrics, /healthz and /readyz."""
        return f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        self.log.parent.mkdir(parents=True, exist_ok=True)
        self.log.unlink(missing_ok=True)
        command = [sys.executable, "-m", "streams.cli", "worker"]
        # It stops in order even if this process dies without telling it to.
        self._process = spawn(command, self.log, environment=self._environment(), death_signal=signal.SIGTERM)
        return self

    def __exit__(self, *_: object) -> None:
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def wait_until_ready(self, on_wait: Callable[[str], None]) -> None:
        """Wait up to 120 s for /readyz; ``on_wait`` gets what is missing. Raises :class:`WorkerFailed`."""
        deadline = time.monotonic() + READY_SECONDS
        while time.monotonic() < deadline:
            self.check()
            report = self._readiness()
            if report.get("ready"):
                return
            on_wait(", ".join(report.get("missing", [])))
            time.sleep(0.1)
        raise WorkerFailed(f"the worker was not ready within {READY_SECONDS:.0f} s; {self._log_end()}")

    def check(self) -> None:
        """Raise :class:`WorkerFailed` if the worker has ended."""
        if self._process is not None and (status := self._process.poll()) is not None:
            raise WorkerFailed(f"the worker ended with status {status}; {self._log_end()}")

    def _readiness(self) -> dict[str, Any]:
        connection = HTTPConnection("127.0.0.1", self.port, timeout=2)
        try:
            connection.request("GET", "/readyz")
            report = orjson.loads(connection.getresponse().read())
        except (OSError, HTTPException, orjson.JSONDecodeError):
            return {"missing": ["its listener"]}
        finally:
            connection.close()
        return report if isinstance(report, dict) else {}

    def _environment(self) -> dict[str, str]:
        return self._settings.model_copy(update={"metrics_port": self.port}).environment() | our_code()

    def _log_end(self) -> str:
        lines = self.log.read_text(errors="replace").splitlines()[-_LOG_LINES_SHOWN:]
        return f"its log, {self.log}, ends:\n" + "\n".join(lines)
