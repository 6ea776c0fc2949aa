"""Write a bundle to a directory that appears under its name only once it is complete."""

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
    """Raise :class:`InvalidBundle` if no bundle can be written here: making one takes hours, so check first."""
    shutil.rmtree(_place_beside(directory), ignore_errors=True)


def _place_beside(directory: Path) -> Path:
    """Create a temporary directory next to the bundle's directory, which may hold only an older bundle."""
    try:
        if reason := _not_replaceable(directory):
            raise InvalidBundle(f"{directory} {reason}")
        directory.parent.mkdir(parents=True, exist_ok=True)
        return Path(tempfile.mkdtemp(prefix=f".{directory.name}.", dir=directory.parent))
    except OSError as error:
        raise InvalidBundle(
            f"no bundle can be written to {directory}: {error.strerror}; name another directory"
        ) from error


def _not_replaceable(directory: Path) -> str | None:
    """Return why the directory cannot be replaced and what to do about it, or ``None`` if it can."""
    if directory.is_symlink():
        return "is a link; name a new directory, and turn the link to it once the gate has accepted it"
    if not directory.exists():
        return None
    if Path.cwd().is_relative_to(directory.resolve()) or directory.is_mount():
        return "cannot be replaced, being in use as a working directory or a mount; name one in it"
    if any(directory.iterdir()) and not (directory / MANIFEST).is_file():
        return "holds other files than a model bundle; name a new directory"
    return None


@contextmanager
def whole_directory(directory: Path) -> Iterator[Path]:
    """Yield a directory to fill; if all goes well, it takes the given name and replaces an older bundle there."""
    made = _place_beside(directory)
    try:
        yield made
        made.chmod(0o755)
        for file in made.rglob("*"):
            # safetensors creates files that only their owner may read, but workers run as another user.
            if file.is_file():
                file.chmod(0o644)
        _take_place(made, directory)
    finally:
        shutil.rmtree(made, ignore_errors=True)


def _take_place(made: Path, directory: Path) -> None:
    if not directory.exists():
        os.replace(made, directory)
        return
    with tempfile.TemporaryDirectory(prefix=f".{directory.name}.old.", dir=directory.parent) as aside:
        old = Path(aside) / "bundle"
        os.replace(directory, old)
        try:
            os.replace(made, directory)
        except OSError:
            os.replace(old, directory)
            raise
