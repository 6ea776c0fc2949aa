"""Events that are published again, by a replay or from the dead letters: what their headers say."""

from __future__ import annotations

from typing import Final

from schemas.events.dead_letter import ATTEMPT_HEADER, Headers, attempt_of, original_headers

ORIGINAL_OFFSET_HEADER: Final = "shelfwise-original-offset"
"""The offset, in the same partition, at which an event was first published: its place among a product's edits."""

_MAX_DIGITS: Final = 19


def original_offset(headers: Headers, offset: int) -> int:
    """Return the offset at which the event at ``offset`` was first published: its own, unless a header says so."""
    value = next((value for name, value in headers if name == ORIGINAL_OFFSET_HEADER), None)
    if value is None or not value.isdigit() or len(value) > _MAX_DIGITS:
        return offset
    return min(int(value), offset)


def headers_again(headers: Headers, offset: int | None) -> Headers:
    """Return the headers with which the event at ``offset`` is published again.

    They are its own headers, the number of the next attempt (so that it is decided even if it is unchanged), and
    the offset at which it was first published. The latter is left out if ``offset`` is ``None``, as for an event
    that goes to another partition, which has other offsets.
    """
    again = [(name, value) for name, value in original_headers(headers) if name != ORIGINAL_OFFSET_HEADER]
    if offset is not None:
        again.append((ORIGINAL_OFFSET_HEADER, str(original_offset(headers, offset)).encode()))
    return [*again, (ATTEMPT_HEADER, str(attempt_of(headers) + 1).encode())]
