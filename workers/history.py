"""What is known about a product from earlier events, and whether a new event needs a decision."""

from __future__ import annotations

import hashlib
from datetime import datetime
from enum import Enum, auto
from typing import Final

import msgspec

from schemas.events.product import Product
from workers.precedence import NOWHERE, Newest

_DIGEST_BYTES: Final = 12
# The order of attributes does not matter.
_sorted_encoder: Final = msgspec.json.Encoder(order="sorted")
REMOVED: Final = "removed"


class ProductRecord(msgspec.Struct, frozen=True, array_like=True):
    """The newest event of a product, and what was decided last.

    ``offset`` is the offset at which the newest event was first published. ``updated_at`` is the newest date among
    the product's events; if there is one, ``undated`` is the offset of the last event without a date (see
    :class:`~workers.precedence.Newest`). ``digest`` describes the content that was decided last, that of the event
    at ``decided_offset``. Offsets are those of ``partition`` of the source topic.
    """

    partition: int
    offset: int
    updated_at: datetime | None
    digest: str
    decided_offset: int
    undated: int | None = None

    @property
    def newest(self) -> Newest:
        """What is known about the order of the product's events."""
        if self.updated_at is None:
            return Newest(undated=self.offset)
        undated = NOWHERE if self.undated is None else self.undated
        return Newest(undated, NOWHERE if undated == self.offset else self.offset, self.updated_at)

    def with_newest(self, newest: Newest) -> ProductRecord:
        """Return the record with ``newest`` as the order of the events."""
        undated = None if newest.updated_at is None or newest.undated == NOWHERE else newest.undated
        return msgspec.structs.replace(
            self, offset=newest.first_offset, updated_at=newest.updated_at, undated=undated
        )


class RecallAction(Enum):
    """What recall does with an event."""

    DECIDE = auto()
    UNCHANGED = auto()
    SUPERSEDED = auto()


def content_digest(product: Product | None, model_version: str) -> str:
    """Return a digest of everything a decision depends on except the statistics; ``None`` is a removed product.

    ``updated_at`` is left out because a feed may publish everything every night and change nothing else.
    ``image_url`` is left out because no signal reads it, and shops put keys that expire in it.
    """
    if product is None:
        return REMOVED
    content = _sorted_encoder.encode(msgspec.structs.replace(product, updated_at=None, image_url=None))
    return hashlib.blake2b(content, digest_size=_DIGEST_BYTES, key=model_version.encode()[:64]).hexdigest()


def next_action(
    record: ProductRecord | None, event: ProductRecord, *, again: bool = False, judged: int | None = None
) -> tuple[RecallAction, ProductRecord | None]:
    """Return what to do with an event, and the record to store from then on (``None``: keep the known one).

    ``event`` is the record to store if the event is decided. ``again`` says that a person sent the event again.
    ``judged`` is the offset at which it was decided, if it was published again after a verdict on that decision.
    Any event may be delivered more than once, and late:

    - The event that was decided last is decided again, because that decision may never have been sent.
    - An event that is older than the newest known one is superseded: the newer one was, or will be, decided. Its
      date is stored, because a later event may be older than that date.
    - A newer event with the content that was decided last is unchanged. That is safe: the event it repeats either
      has its outcome, or will be delivered again and then be decided by the first rule.
    - An event that was published again after a verdict is decided if it was the last one decided: newer events
      only repeated its content.
    """
    if record is None or record.partition != event.partition:
        return RecallAction.DECIDE, event
    if record.decided_offset in (event.decided_offset, judged):
        # The model may have changed since.
        decided = msgspec.structs.replace(record, digest=event.digest, decided_offset=event.decided_offset)
        return RecallAction.DECIDE, decided
    newest = record.newest.merge(event.newest)
    if newest.first_offset != event.offset:
        known = record.with_newest(newest)
        return RecallAction.SUPERSEDED, None if known == record else known
    event = event.with_newest(newest)
    if event.digest != record.digest or again:
        return RecallAction.DECIDE, event
    # If this is the newest known event, it was unchanged before, or another model has decided it since.
    if event.offset == record.offset:
        return RecallAction.UNCHANGED, None
    return RecallAction.UNCHANGED, msgspec.structs.replace(event, decided_offset=record.decided_offset)


def undecided(record: ProductRecord) -> ProductRecord:
    """Return the record to store for an event that could not be decided: its digest equals that of no content."""
    return msgspec.structs.replace(record, digest="")
