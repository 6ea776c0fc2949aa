"""Whether a table partition is whole: what to do where records of its changelog were deleted, not compacted.

Compaction leaves the first offset of a changelog at 0; only deleted records move it (Kafka documentation,
"DeleteRecords", and retention where ``cleanup.policy`` was changed to delete).
"""

from __future__ import annotations

import logging
from itertools import chain
from typing import Any, Final

from streams.state.changelog import Changelog, Place

_OURS: Final = b"__shelfwise\0"
WHOLE_FROM: Final = _OURS + b"whole_from"
"""The key, in a changelog, whose value says: what follows makes up for all that lay below this offset."""
_LACKING: Final = _OURS + b"lacking"
_log = logging.getLogger(__name__)


def is_ours(key: bytes) -> bool:
    """Return whether a key of a changelog is a note of this module, and no key of the table."""
    return key.startswith(_OURS)


def lacking(store: Any, place: Place, first: int, known: int) -> bool:
    """Return whether a store that stands at offset ``known`` (-1: empty) lacks what lay below ``first``.

    To be asked before it is recovered, for then it stands further; so the store remembers the answer.
    """
    if known >= first - 1:
        return store.look_up(place.partition, _LACKING) is not None
    store.note(place.partition, _LACKING, str(first).encode())
    return True


def settle(changelog: Changelog, store: Any, place: Place, first: int, *, lacks: bool) -> tuple[bool, int | None]:
    """Return whether a recovered partition is whole, and the offset of what was written to make it so, if any.

    A store that has all that was deleted is written to the changelog again, once, for the sake of all others;
    where there is none, what the changelog does not tell any more is lost.
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
