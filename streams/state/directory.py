"""A directory for the tables of one process, because workers on one machine may share a data directory."""

from __future__ import annotations

import fcntl
import os
import tempfile
from pathlib import Path
from typing import Final, Self

from schemas.errors import InvalidSettings

_MOST: Final = 64
_CLAIM: Final = "claimed"


def check_data_dir(data_dir: Path) -> None:
    """Create the directory; raises :class:`InvalidSettings` if it cannot be written to."""
    try:
        data_dir.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=data_dir):
            pass
    except OSError as error:
        raise _unusable(data_dir, error) from None


def _unusable(path: Path, error: OSError) -> InvalidSettings:
    return InvalidSettings(f"tables cannot be kept in {path}: {error}; set SHELFWISE_DATA_DIR")


class TableDirectory:
    """The first of ``tables-0``, ``tables-1``, ... that no other process holds; freed when this one ends.

    A store belongs to no particular worker. Its offsets say what is missing in it, so a worker that takes over the
    store of another one reads the rest from the changelog.
    """

    def __init__(self, path: Path, descriptor: int) -> None:
        self.path = path
        self._descriptor: int | None = descriptor

    @classmethod
    def claim(cls, data_dir: Path) -> Self:
        """Claim a directory; raises :class:`InvalidSettings` if none can be created, or 64 are taken."""
        for number in range(_MOST):
            path = data_dir / f"tables-{number}"
            try:
                path.mkdir(parents=True, exist_ok=True)
                descriptor = os.open(path / _CLAIM, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            except OSError as error:
                raise _unusable(path, error) from None
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(descriptor)
                continue
            return cls(path, descriptor)
        raise InvalidSettings(f"{_MOST} processes keep tables in {data_dir}; set another SHELFWISE_DATA_DIR")

    @property
    def gone(self) -> bool:
        """Whether it was removed or replaced; RocksDB notices only when it next needs a new file."""
        if self._descriptor is None:
            return False
        try:
            return not os.path.samestat(os.stat(self.path / _CLAIM), os.fstat(self._descriptor))
        except OSError:
            return True

    def release(self) -> None:
        """Release the directory for other processes."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None
