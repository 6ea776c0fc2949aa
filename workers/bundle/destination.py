"""Where a bundle is written: it appears under its name only when it is whole."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from schemas.bundle import MANIFEST
from schemas.errors import InvalidBundle


def check_destination(directory: Path) -> None:
    """Raise :class:`InvalidBundle` where no bundle can be written: it takes hours to make one."""
    shutil.rmtree(_place_beside(directory), ignore_errors=True)


def _place_beside(directory: Path) -> Path:
    """Return a new directory beside the one that a bundle is to have, which may hold an older one alone."""
    try:
        if directory.exists() and any(directory.iterdir()) and not (directory / MANIFEST).is_file():
            raise InvalidBundle(f"{directory} holds other files than a model bundle; name a new directory")
        directory.parent.mkdir(parents=True, exist_ok=True)
        return Path(tempfile.mkdtemp(prefix=f".{directory.name}.", dir=directory.parent))
    except OSError as error:
        raise InvalidBundle(
            f"no bundle can be written to {directory}: {error.strerror}; name another directory"
        ) from error


@contextmanager
def whole_directory(directory: Path) -> Iterator[Path]:
    """Give a directory to fill that takes its name, replacing an older bundle, only when all went well."""
    made = _place_beside(directory)
    try:
        yield made
        made.chmod(0o755)
        for file in made.rglob("*"):
            # safetensors makes files that only their owner may read; workers run as another user.
            if file.is_file():
                file.chmod(0o644)
        if directory.exists():
            old = Path(tempfile.mkdtemp(prefix=f".{directory.name}.old.", dir=directory.parent))
            os.replace(directory, old / "bundle")
            os.replace(made, directory)
            shutil.rmtree(old)
        else:
            os.replace(made, directory)
    finally:
        shutil.rmtree(made, ignore_errors=True)
