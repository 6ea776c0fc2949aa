"""Check whether a table partition is complete, and repair it if records of its changelog were deleted.

Compaction leaves the first offset of a changelog at 0. Only deleting records moves it: by the "DeleteRecords"
request of Kafka, or by retention after ``cleanup.policy`` was changed to delete (Kafka documentation).
"""

from __future__ import annotations

import logging
from itertools import chain
from typing import Any, Final

from streams.state.changelog import Changelog, Place

_OURS: Final = b"__shelfwise\0"
WHOLE_FROM: Final = _OURS + b"whole_from"
"""A key in changelogs; its value is an offset, and the records from there on make up for all those below it."""
_LACKING: Final = _OURS + b"lacking"
_log = logging.getLogger(__name__)


def is_ours(key: bytes) -> bool:
    """Return whether a changelog's key is a note of this module, not a key of the table."""
    return key.startswith(_OURS)


def note_lacking(store: Any, place: Place, first: int, known: int) -> bool:
    """Return whether a store lacks records below ``first``, and note it there.

    ``known`` is the offset that the store has reached, -1 if it is empty. Recovery moves it ahead: call this
    before, and the store remembers the answer.
    """
    if known >= first - 1:
        return store.look_up(place.partition, _LACKING) is not None
    store.note(place.partition, _LACKING, str(first).encode())
    return True


def check_and_repair(
    changelog: Changelog, store: Any, place: Place, first: int, *, lacks: bool
) -> tuple[bool, int | None]:
    """Return whether a recovered partition is complete, and the last offset written to complete it, if any.

    If the store has everything that was deleted, it is written to the changelog again, once, for all other
    workers. Otherwise what the changelog no longer holds is lost.
    """
    marked = store.look_up(place.partition, WHOLE_FROM)
    if first == 0 or (marked is not None and int(marked) >= first):
        if lacks:
            store.note(place.partition, _LACKING, None)
        return True, None
    records = None if lacks else store.records(place.partition)
    if records is None:
        _log.error(
            "%s [%d]: the records below offset %d were deleted, and this worker's store does not hold them: "
            "counts and known products are missing. See docs/state.md, A truncated changelog",
            *place,
            first,
        )
        return False, None
    mark = str(first).encode()
    _log.warning("%s [%d]: the records below offset %d were deleted; writing them again", *place, first)
    others = ((key, value) for key, value in records if not is_ours(key))
    last = changelog.write(place, chain(others, [(WHOLE_FROM, mark)]))
    store.load(place.partition, [(WHOLE_FROM, mark)], last)
    return True, last
