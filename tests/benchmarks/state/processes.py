"""The measured processes and their output."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path
from threading import Thread
from typing import Any, Self

import orjson

from streams.settings import Settings

_PATIENCE_SECONDS = 7_200.0
_POLL_SECONDS = 0.02


class Measured:
    """A process of :mod:`tests.benchmarks.state.worker`; ``said`` holds each line that it has printed."""

    def __init__(self, settings: Settings, kind: str) -> None:
        self.said: list[dict[str, Any]] = []
        settings.data_dir.mkdir(parents=True, exist_ok=True)
        self._log = (settings.data_dir / "log").open("ab")
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.benchmarks.state.worker", kind],
            env=settings.environment(),
            stdout=subprocess.PIPE,
            stderr=self._log,
        )
        self._reader = Thread(target=self._read, daemon=True)
        self._reader.start()

    @property
    def process_id(self) -> int:
        """Its process id."""
        return self._process.pid

    def wait_for(self, figure: str, count: int = 1) -> dict[str, Any]:
        """Wait for the ``count``-th line that has this figure, and return it."""
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while True:
            found = [line for line in self.said if figure in line]
            if len(found) >= count:
                return found[count - 1]
            if self._process.poll() is not None and not self._reader.is_alive():
                raise RuntimeError(f"it ended with {self._process.returncode}; see {self._log.name}: {self.said}")
            if time.monotonic() > deadline:
                raise TimeoutError(f"no {figure}; see {self._log.name}")
            time.sleep(_POLL_SECONDS)

    def stop(self) -> None:
        """Stop it (SIGTERM), and wait until it has ended."""
        self._process.send_signal(signal.SIGTERM)
        self._process.wait(120)

    def kill(self) -> None:
        """Kill it (SIGKILL), like a crash."""
        self._process.kill()
        self._process.wait()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._process.poll() is None:
            self.kill()
        self._reader.join()
        self._log.close()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self.said.append(orjson.loads(line))


def bytes_on_disk(directory: Path) -> int:
    """Return the disk space that a directory uses, in bytes; its files may change meanwhile."""
    total = 0
    for path in directory.rglob("*"):
        try:
            total += path.stat().st_blocks * 512
        except FileNotFoundError:
            continue
    return total
