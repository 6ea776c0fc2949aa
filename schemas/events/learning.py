"""Learning batched (internal): what decisions and verdicts say, many in one message, on the way to the tables."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from schemas.events.product import ProductId

Offset = Annotated[int, msgspec.Meta(ge=0)]


class Said(msgspec.Struct, frozen=True, array_like=True):
    """The latest that one topic said of a product.

    ``offset`` is where the message was first published in that topic, ``decided`` the source offset of the
    decision, which orders the two topics of decisions. ``category`` is the counted one, if any; ``removed``
    marks a tombstone. Only verdicts give ``tags``: every product has a decision, and few have a verdict.
    """

    offset: int
    decided: int = -1
    category: str | None = None
    brand: str | None = None
    stores: tuple[str, ...] = ()
    removed: bool = False
    tags: tuple[str, ...] = ()


class LearnedDecision(msgspec.Struct, frozen=True, array_like=True):
    """What the message at ``offset`` of one of the two topics of decisions says of a product."""

    topic: Literal["assigned", "needs_review"]
    offset: Offset
    product_id: ProductId
    said: Said


class VerdictMessage(msgspec.Struct, frozen=True, array_like=True):
    """A message of the topic of verdicts as it came: one that cannot be used becomes a dead letter, unchanged."""

    offset: Offset
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...] = ()


class LearningBatch(msgspec.Struct, frozen=True, kw_only=True):
    """Messages of partition ``partition`` of the three topics, in the order of each topic.

    A product occurs once at most for each topic: it is on record with the latest of them alone.
    """

    partition: Annotated[int, msgspec.Meta(ge=0)]
    decisions: list[LearnedDecision] = []
    verdicts: list[VerdictMessage] = []
