"""What is known of a product from earlier events, and whether a further event calls for a decision."""

from __future__ import annotations

import hashlib
from datetime import datetime
from enum import Enum, auto
from typing import Final

import msgspec

from schemas.events.product import Product
from workers.precedence import NOWHERE, Newest

_DIGEST_BYTES: Final = 12
# Attributes in another order are the same content.
_sorted_encoder: Final = msgspec.json.Encoder(order="sorted")
REMOVED: Final = "removed"


class ProductRecord(msgspec.Struct, frozen=True, array_like=True):
    """The newest event of a product, and what was decided of it.

    ``offset`` is the newest event's, where it was first published; ``updated_at`` the newest date of the product's
    events, and where there is one, ``undated`` the offset of the last event that had none: as of
    :class:`~workers.precedence.Newest`. ``digest`` is of the content that was decided last, that of the event at
    ``decided_offset``. Offsets are of ``partition`` of the source topic.
    """

    partition: int
    offset: int
    updated_at: datetime | None
    digest: str
    decided_offset: int
    undated: int | None = None

    @property
    def newest(self) -> Newest:
        """What is known of the order of the product's events."""
        if self.updated_at is None:
            return Newest(undated=self.offset)
        undated = NOWHERE if self.undated is None else self.undated
        return Newest(undated, NOWHERE if undated == self.offset else self.offset, self.updated_at)

    def with_newest(self, newest: Newest) -> ProductRecord:
        """Return the record with another order of the events."""
        undated = None if newest.updated_at is None or newest.undated == NOWHERE else newest.undated
        return msgspec.structs.replace(self, offset=newest.place, updated_at=newest.updated_at, undated=undated)


class Action(Enum):
    """What to do with an event."""

    DECIDE = auto()
    UNCHANGED = auto()
    SUPERSEDED = auto()


def content_digest(product: Product | None, model_version: str) -> str:
    """Return a digest of all that a decision rests on but the statistics; ``None`` is a removed product.

    ``updated_at`` is left out: a feed that publishes everything every night changes nothing else. So is
    ``image_url``, which no signal reads and in which shops put keys that expire.
    """
    if product is None:
        return REMOVED
    content = _sorted_encoder.encode(msgspec.structs.replace(product, updated_at=None, image_url=None))
    return hashlib.blake2b(content, digest_size=_DIGEST_BYTES, key=model_version.encode()[:64]).hexdigest()


def consider(
    record: ProductRecord | None, event: ProductRecord, *, again: bool = False
) -> tuple[Action, ProductRecord | None]:
    """Return what to do with an event, and what to remember from then on (``None``: what was known before).

    ``event`` is what would be remembered if the event were decided; ``again`` says that a person sent it again.
    Any event may be delivered more than once, and late:

    - The event that the last decision was made of is decided again, since that decision may never have left.
    - One with an older place than the newest known is superseded: the newer was, or will be, decided. Its date is
      remembered, for it may make a further event an old one.
    - A newer one with the content decided last is unchanged. That is safe: the event it repeats either has its
      outcome, or will be delivered again, and is then decided by the first rule.
    """
    if record is None or record.partition != event.partition:
        return Action.DECIDE, event
    if event.decided_offset == record.decided_offset:
        # Another model may be at work by now.
        return Action.DECIDE, msgspec.structs.replace(record, digest=event.digest)
    newest = record.newest.merge(event.newest)
    if newest.place != event.offset:
        known = record.with_newest(newest)
        return Action.SUPERSEDED, None if known == record else known
    event = event.with_newest(newest)
    if event.digest != record.digest or again:
        return Action.DECIDE, event
    # Where it is the newest known already, it was unchanged before, or another model has decided it since.
    if event.offset == record.offset:
        return Action.UNCHANGED, None
    return Action.UNCHANGED, msgspec.structs.replace(event, decided_offset=record.decided_offset)


def undecided(record: ProductRecord) -> ProductRecord:
    """Return what to remember of an event that could not be decided: no content equals it."""
    return msgspec.structs.replace(record, digest="")
