"""Review decided: a person's verdict on a product."""

from __future__ import annotations

import msgspec

from schemas.errors import InvalidEvent
from schemas.events.codec import decode
from schemas.events.dead_letter import Reason
from schemas.events.product import ProductId, ShortText, Stores, Tags, Timestamp, Title


class ReviewDecided(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A person says where a product belongs.

    ``category_id`` is a node of the taxonomy, or null if the product belongs nowhere in it. ``decision_id`` is the
    decision that was reviewed. ``taxonomy_version``, ``title``, ``brand``, ``stores`` and ``tags`` are copied from
    it. The product is decided as the verdict says while it keeps its title; "nowhere" holds while the taxonomy
    stays the same. With brand, stores and tags the verdict updates the statistics even before the
    decision itself was learned from; only verdicts update the statistics of tags.
    """

    review_id: ShortText
    product_id: ProductId
    category_id: ShortText | None
    reviewer: ShortText
    decided_at: Timestamp
    decision_id: ShortText | None = None
    taxonomy_version: ShortText | None = None
    title: Title | None = None
    brand: ShortText | None = None
    stores: Stores = ()
    tags: Tags = ()


def decode_verdict(value: bytes, key: bytes) -> ReviewDecided:
    """Decode the verdict of a message; raises :class:`InvalidEvent`, also if the key is another product's."""
    verdict = decode(value, ReviewDecided)
    if verdict.product_id.encode() != key:
        raise InvalidEvent(Reason.KEY_MISMATCH, f"the message key is not product_id {verdict.product_id!r}")
    return verdict
