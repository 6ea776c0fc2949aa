"""What waits for a person: decisions without a verdict, and the products as they were decided."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

from confluent_kafka import KafkaException, Message, TopicPartition

from schemas.errors import InvalidEvent, KafkaUnavailable
from schemas.events.codec import decode
from schemas.events.decision import NeedsReview
from schemas.events.position import SourcePosition
from schemas.events.product import Product, decode_product
from schemas.events.review import ReviewDecided
from schemas.taxonomy.tree import Taxonomy
from schemas.topics import CATEGORIES_NEEDS_REVIEW, PRODUCTS_CHANGED
from streams.clients.connect import TIMEOUT_SECONDS, open_partition_reader
from streams.clients.partition_reader import read_topic
from streams.kafka.watermarks import watermarks
from streams.review.verdicts import read_verdicts
from streams.settings import Settings

_POLL_SECONDS: Final = 0.2


def waiting(
    settings: Settings, taxonomy: Taxonomy, on_read: Callable[[], None] = lambda: None
) -> list[NeedsReview]:
    """Return the decisions that ask for a verdict and have none, those of a partition in the order of their age.

    A product that was decided anew after its verdict waits again. Raises :class:`KafkaUnavailable`.
    """
    given = read_verdicts(settings, taxonomy, on_read).latest
    latest: dict[bytes | None, tuple[NeedsReview, float]] = {}
    for event in read_topic(settings, CATEGORIES_NEEDS_REVIEW):
        on_read()
        latest.pop(event.key, None)
        if event.value is None:  # assigned since, or removed
            continue
        try:
            latest[event.key] = decode(event.value, NeedsReview), event.timestamp_ms / 1_000
        except InvalidEvent:  # none of ours, or of another version; `shelfwise watch` tells of it
            continue
    return [
        decision
        for decision, decided_at in latest.values()
        if not _has(decision, decided_at, given.get(decision.product_id))
    ]


def _has(decision: NeedsReview, decided_at: float, verdict: ReviewDecided | None) -> bool:
    if verdict is None or verdict.decision_id is None:
        return verdict is not None and verdict.decided_at.timestamp() >= decided_at
    return verdict.decision_id == decision.decision_id


class DecidedProducts:
    """Looks up products where their decisions say that they lie."""

    def __init__(self, settings: Settings) -> None:
        """Open a consumer; raises :class:`KafkaUnavailable`."""
        self._consumer = open_partition_reader(settings, PRODUCTS_CHANGED)

    def close(self) -> None:
        """Close the consumer."""
        self._consumer.close()

    def of(self, decision: NeedsReview) -> Product | None:
        """Return the product as it was decided, ``None`` where its event has expired or is none of it.

        Raises :class:`KafkaUnavailable`.
        """
        position = decision.source
        place = TopicPartition(position.topic, position.partition, position.offset)
        try:
            first, end = watermarks(self._consumer, place, TIMEOUT_SECONDS)
        except KafkaException as error:
            problem = f"{position.topic}/{position.partition} cannot be read: {error.args[0].str()}"
            raise KafkaUnavailable(problem) from error
        if not first <= position.offset < end:
            return None
        self._consumer.assign([place])
        message = self._first(position)
        try:
            product = decode_product(message.value() or b"", message.key())
        except InvalidEvent:
            return None
        # Of a topic that was made anew the offset names another product.
        return (
            product if message.offset() == position.offset and product.product_id == decision.product_id else None
        )

    def _first(self, position: SourcePosition) -> Message:
        """Return the first message from there on."""
        deadline = time.monotonic() + TIMEOUT_SECONDS
        while time.monotonic() < deadline:
            message = self._consumer.poll(_POLL_SECONDS)
            # What is left of the place before may come first.
            if message is None or message.error() is not None or message.partition() != position.partition:
                continue
            if (message.offset() or 0) >= position.offset:
                return message
        silence = f"has not answered for {TIMEOUT_SECONDS:.0f} s; is the cluster well?"
        raise KafkaUnavailable(f"{position.topic}/{position.partition} {silence}")
