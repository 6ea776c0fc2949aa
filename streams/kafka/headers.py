"""Read the headers of a message, even if they are invalid."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from functools import cache
from operator import methodcaller
from typing import Final

from confluent_kafka import Message

from schemas.events.dead_letter import Headers

_log = logging.getLogger(__name__)
# On invalid headers the library (2.16) returns a list although it has set an error. CPython checks a plain call
# for such an error only until it has specialised the call; after that, the error is raised wherever the next check
# is. With methodcaller it always checks.
_headers: Final = methodcaller("headers")


def headers_of(message: Message) -> Headers:
    """Return the headers, or none if a name is not UTF-8, which the protocol requires but brokers do not check.

    Call it once per message: after such a failure the library returns a list that it has not filled.
    """
    try:
        return _headers(message) or []
    except SystemError:
        _warn(message.topic() or "")
        return []


def bytes_of(headers: Iterable[tuple[str, bytes | None]]) -> int:
    """Return the total length of all names, in characters, and values, in bytes."""
    return sum(len(name) + len(value or b"") for name, value in headers)


@cache
def _warn(topic: str) -> None:
    """Warn once per topic: a feed that writes such headers does so in all its events."""
    _log.warning("%s: a header name is not valid UTF-8; such messages count as having no headers", topic)
