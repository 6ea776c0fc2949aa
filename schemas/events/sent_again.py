"""Events that are published again, by a replay, from the dead letters or after a verdict: what headers say."""

from __future__ import annotations

from typing import Final

from schemas.events.dead_letter import ATTEMPT_HEADER, Headers, attempt_of, original_headers

ORIGINAL_OFFSET_HEADER: Final = "shelfwise-original-offset"
"""The offset, in the same partition, at which an event was first published: its place among a product's edits."""

VERDICT_OFFSET_HEADER: Final = "shelfwise-verdict-offset"
"""The offset, in the same partition, of the verdict after which an event is published again."""

JUDGED_OFFSET_HEADER: Final = "shelfwise-judged-offset"
"""The offset at which the event was when the decision was made that the verdict changes."""

_MAX_DIGITS: Final = 19


def original_offset(headers: Headers, offset: int) -> int:
    """Return the offset at which the event at ``offset`` was first published: its own, unless a header says so."""
    value = _number(headers, ORIGINAL_OFFSET_HEADER)
    return offset if value is None else min(value, offset)


def verdict_offset(headers: Headers) -> int | None:
    """Return the offset of the verdict after which an event was published again, if it was."""
    return _number(headers, VERDICT_OFFSET_HEADER)


def judged_offset(headers: Headers) -> int | None:
    """Return where the event was when it was decided, if it was published again after a verdict."""
    return _number(headers, JUDGED_OFFSET_HEADER)


def _number(headers: Headers, wanted: str) -> int | None:
    value = next((value for name, value in headers if name == wanted), None)
    return int(value) if value is not None and value.isdigit() and len(value) <= _MAX_DIGITS else None


def headers_again(headers: Headers, offset: int | None, verdict: int | None = None) -> Headers:
    """Return the headers with which the event at ``offset`` is published again.

    They are its own headers, the number of the next attempt (so that it is decided even if it is unchanged), and
    the offset at which it was first published. The latter is left out if ``offset`` is ``None``, as for an event
    that goes to another partition, which has other offsets. ``verdict`` is the offset of the verdict that is the
    cause, if one is.
    """
    ours = (ORIGINAL_OFFSET_HEADER, VERDICT_OFFSET_HEADER, JUDGED_OFFSET_HEADER)
    again = [(name, value) for name, value in original_headers(headers) if name not in ours]
    if verdict is not None:
        again.append((VERDICT_OFFSET_HEADER, str(verdict).encode()))
        again.append((JUDGED_OFFSET_HEADER, str(offset).encode()))
    if offset is not None:
        again.append((ORIGINAL_OFFSET_HEADER, str(original_offset(headers, offset)).encode()))
    return [*again, (ATTEMPT_HEADER, str(attempt_of(headers) + 1).encode())]
