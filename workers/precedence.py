"""Which of two events of one product says how it is now."""

from __future__ import annotations

from datetime import datetime


def is_newer(updated_at: datetime | None, offset: int, than_updated_at: datetime | None, than_offset: int) -> bool:
    """Return whether the first event overrules the second.

    The feed's own ``updated_at`` decides where both events carry one, for a feed may publish out of order; the
    offsets of the partition decide otherwise, as with tombstones, which carry none. No event is newer than itself.
    """
    if updated_at is not None and than_updated_at is not None and updated_at != than_updated_at:
        return updated_at > than_updated_at
    return offset > than_offset
