"""Learning batched (internal): what decisions and verdicts say, many in one message, on the way to the tables."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from schemas.events.product import ProductId

Offset = Annotated[int, msgspec.Meta(ge=0)]


class Said(msgspec.Struct, frozen=True, array_like=True):
    """The latest that one topic said about a product.

    ``offset`` is where the message was first published in that topic. ``decided`` is the source offset of the
    decision, which orders the two decision topics. ``category`` is the category that is counted, if any;
    ``removed`` marks a tombstone. Only verdicts give ``tags``, because every product has a decision, but few have
    a verdict. ``review_id`` names the verdict that a decision repeats.
    """

    offset: int
    decided: int = -1
    category: str | None = None
    brand: str | None = None
    stores: tuple[str, ...] = ()
    removed: bool = False
    tags: tuple[str, ...] = ()
    review_id: str | None = None


class LearnedDecision(msgspec.Struct, frozen=True, array_like=True):
    """What the message at ``offset`` of one of the two decision topics says about a product."""

    topic: Literal["assigned", "needs_review"]
    offset: Offset
    product_id: ProductId
    said: Said


class VerdictMessage(msgspec.Struct, frozen=True, array_like=True):
    """A message of the verdict topic, unchanged, so that one that cannot be used can become a dead letter."""

    offset: Offset
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...] = ()


class LearningBatch(msgspec.Struct, frozen=True, kw_only=True):
    """Messages of partition ``partition`` of the three topics, in the order of each topic.

    A product occurs at most once for each topic, with the latest message.
    """

    partition: Annotated[int, msgspec.Meta(ge=0)]
    decisions: list[LearnedDecision] = []
    verdicts: list[VerdictMessage] = []
