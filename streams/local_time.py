"""Times as people write them on the command line."""

from __future__ import annotations

from datetime import datetime


def parse_time(text: str) -> datetime:
    """Parse a time such as 2026-01-31T08:00, local unless it names a zone; raises :class:`ValueError`."""
    try:
        return datetime.fromisoformat(text).astimezone()
    except (OverflowError, OSError) as error:  # beyond the range of local time
        raise ValueError(str(error)) from error
