"""The headers of a message, whoever wrote it."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from functools import cache
from operator import methodcaller
from typing import Final

from confluent_kafka import Message

from schemas.events.dead_letter import Headers

_log = logging.getLogger(__name__)
# The library (2.16) returns a list and leaves an error behind. Of a plain call CPython looks for such an error
# only until it has specialised the call; then it strikes wherever one is looked for next. Here one always looks.
_headers: Final = methodcaller("headers")


def headers_of(message: Message) -> Headers:
    """Return the headers; none where a name of one is no UTF-8, which the protocol asks for and no broker checks.

    Call it once for a message: after such a failure the library gives a list that it has not filled.
    """
    try:
        return _headers(message) or []
    except SystemError:
        _warn(message.topic() or "")
        return []


def bytes_of(headers: Iterable[tuple[str, bytes | None]]) -> int:
    """Return the length of all names and values, of each name in characters."""
    return sum(len(name) + len(value or b"") for name, value in headers)


@cache
def _warn(topic: str) -> None:
    """Say so once for a topic: a feed that writes such headers does so in all its events."""
    _log.warning("%s: a header name is not valid UTF-8; such messages count as having no headers", topic)
