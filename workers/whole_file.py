"""Write a file completely or not at all."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from schemas.errors import InvalidFile


@contextmanager
def whole_file(path: Path) -> Iterator[BinaryIO]:
    """Yield a file to write to, which appears at ``path`` only if nothing is raised.

    A symbolic link keeps its target; a pipe or device is written directly. Raises :class:`InvalidFile` if the file
    cannot be written.
    """
    try:
        if path.exists() and not path.is_file():
            with path.open("wb") as file:
                yield file
        else:
            target = path.resolve()
            with _part_of(target) as part:
                with part.open("xb") as file:
                    yield file
                os.replace(part, target)
    except OSError as error:
        raise InvalidFile(f"{path}: {error.strerror}; name a file that can be written") from error


@contextmanager
def _part_of(target: Path) -> Iterator[Path]:
    """Give a name beside the target, under which nothing is left."""
    # Nobody can foresee it: in a directory of many, a link put there would have us write elsewhere.
    part = target.with_name(f".{target.name}.{secrets.token_hex(4)}.part")
    try:
        yield part
    finally:
        with suppress(OSError):
            part.unlink(missing_ok=True)
