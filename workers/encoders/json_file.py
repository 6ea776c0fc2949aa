"""Read the small JSON files that accompany a model."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import orjson

from schemas.errors import InvalidFile

MAX_JSON_BYTES: Final = 1024 * 1024


def read_json(path: Path) -> Any:
    """Return the parsed file. Raises :class:`InvalidFile` if it is missing, larger than 1 MiB, or not JSON."""
    try:
        with path.open("rb") as file:
            data = file.read(MAX_JSON_BYTES + 1)
    except OSError as error:
        raise InvalidFile(f"{path}: {error.strerror or error}; the model's directory must hold it") from None
    if len(data) > MAX_JSON_BYTES:
        raise InvalidFile(f"{path}: more than {MAX_JSON_BYTES:,} bytes; this is not a model's {path.name}")
    try:
        return orjson.loads(data)
    except orjson.JSONDecodeError as error:
        raise InvalidFile(f"{path}: not JSON ({error}); download it again") from None
