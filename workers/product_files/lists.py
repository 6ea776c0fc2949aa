"""Lists given as text: as JSON, or with separators. Text that only starts like JSON is text: "[Sale] Lamps"."""

from __future__ import annotations

from typing import Any, Final

import orjson

_SEPARATOR: Final = "|"
_PATH_SEPARATORS: Final = (" > ", ">", "|")


def list_of(text: str) -> list[Any]:
    """Return the text as a list: the JSON list that it is, or else its parts between vertical bars."""
    listed = _json_list(text)
    if listed is not None:
        return listed
    return [part.strip() for part in text.split(_SEPARATOR) if part.strip()]


def tags_of(text: str) -> list[str] | str:
    """Return the text as a list if it is a JSON list of texts, or else unchanged."""
    listed = _json_list(text)
    return text if listed is None or not all(isinstance(tag, str) for tag in listed) else listed


def path_of(text: str, separator: str | None = None) -> list[Any]:
    """Return the text as a list: the JSON list that it is, or else the names of a path such as "Home > Lamps".

    The default ``separator`` is the first common one that occurs in the text.
    """
    listed = _json_list(text)
    if listed is not None:
        return listed
    separator = separator or next((common for common in _PATH_SEPARATORS if common in text), None)
    return text.split(separator) if separator else [text]


def _json_list(text: str) -> list[Any] | None:
    if not text.startswith("["):
        return None
    try:
        value: list[Any] = orjson.loads(text)
    except orjson.JSONDecodeError:
        return None
    return value
