"""Write a file whole, or not at all."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from schemas.errors import InvalidFile


@contextmanager
def whole_file(path: Path) -> Iterator[BinaryIO]:
    """Give a file to write to, which appears under ``path`` only where nothing is raised.

    Raises :class:`InvalidFile` where it cannot be written.
    """
    part = path.with_name(f".{path.name}.part")
    try:
        with part.open("wb") as file:
            yield file
        os.replace(part, path)
    except OSError as error:
        raise InvalidFile(f"{path}: {error.strerror}; name a file that can be written") from error
    finally:
        part.unlink(missing_ok=True)
