"""What waits for a person: decisions without a verdict, and the products as they were decided."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Final

from confluent_kafka import KafkaException, Message, TopicPartition

from schemas.errors import InvalidEvent, KafkaUnavailable
from schemas.events.codec import decode
from schemas.events.decision import NeedsReview
from schemas.events.position import SourcePosition
from schemas.events.product import Product, decode_product
from schemas.taxonomy.tree import Taxonomy
from schemas.topics import CATEGORIES_NEEDS_REVIEW, PRODUCTS_CHANGED, REVIEWS_DECIDED
from streams.clients.connect import TIMEOUT_SECONDS, open_partition_reader
from streams.clients.partition_reader import TopicReader
from streams.kafka.partitioner import partition_of
from streams.kafka.watermarks import watermarks
from streams.review.verdicts import Verdicts
from streams.settings import Settings
from workers.standing_verdicts import standing_title
from workers.text.tokens import identity

_POLL_SECONDS: Final = 0.2


class ReviewQueue:
    """The decisions that need a verdict and have none; each lookup reads what is new in Kafka.

    Others may review at the same time, and products may be decided again: a product whose title changed after its
    verdict waits again.
    """

    def __init__(self, settings: Settings, taxonomy: Taxonomy, on_read: Callable[[], None] = lambda: None) -> None:
        """Read everything, and call ``on_read`` for each message; raises :class:`KafkaUnavailable`."""
        self._taxonomy = taxonomy
        self._on_read = on_read
        self._given = Verdicts()
        self._latest: dict[str, tuple[NeedsReview, float]] = {}
        self._verdicts = TopicReader(settings, REVIEWS_DECIDED)
        self._decisions = TopicReader(settings, CATEGORIES_NEEDS_REVIEW)
        self._read_verdicts(self._verdicts.partitions)
        self._read_decisions(self._decisions.partitions)

    def close(self) -> None:
        """Close the consumers."""
        self._verdicts.close()
        self._decisions.close()

    def waiting(self) -> list[NeedsReview]:
        """Return the waiting decisions as last read, in order of age within a partition."""
        return [decision for decision, decided_at in self._latest.values() if not self._has(decision, decided_at)]

    def look_again(self, product_id: str, own: str | None = None) -> NeedsReview | str:
        """Return the decision on a product if it still waits, or a text that says why it does not.

        A product whose latest verdict is ``own``, a review id, counts as waiting. Raises
        :class:`KafkaUnavailable`.
        """
        key = product_id.encode()
        self._read_verdicts([partition_of(key, len(self._verdicts.partitions))])
        self._read_decisions([partition_of(key, len(self._decisions.partitions))])
        if product_id not in self._latest:
            return "was assigned or removed meanwhile"
        decision, decided_at = self._latest[product_id]
        if self._has(decision, decided_at) and self._given.latest[product_id].review_id != own:
            return f"was answered meanwhile by {self._given.latest[product_id].reviewer}"
        return decision

    def _read_verdicts(self, partitions: Sequence[int]) -> None:
        for event in self._verdicts.read_on(partitions):
            self._on_read()
            self._given.add(event, len(self._verdicts.partitions), self._taxonomy)

    def _read_decisions(self, partitions: Sequence[int]) -> None:
        for event in self._decisions.read_on(partitions):
            self._on_read()
            product_id = (event.key or b"").decode(errors="replace")
            self._latest.pop(product_id, None)
            if event.value is None:  # assigned since, or removed
                continue
            try:
                decision = decode(event.value, NeedsReview)
            except InvalidEvent:  # not ours, or from another version; `shelfwise watch` reports it
                continue
            if decision.product_id == product_id:
                self._latest[product_id] = decision, event.timestamp_ms / 1_000

    def _has(self, decision: NeedsReview, decided_at: float) -> bool:
        """Return whether a decision has a verdict, or the product has one that still holds for its title."""
        verdict = self._given.latest.get(decision.product_id)
        if verdict is None:
            return False
        if decision.title and standing_title(verdict, self._taxonomy) == identity(decision.title):
            return True
        if verdict.decision_id is None:
            return verdict.decided_at.timestamp() >= decided_at
        return verdict.decision_id == decision.decision_id


class DecidedProducts:
    """Looks up products at the offsets that their decisions name."""

    def __init__(self, settings: Settings) -> None:
        """Open a consumer; raises :class:`KafkaUnavailable`."""
        self._consumer = open_partition_reader(settings, PRODUCTS_CHANGED)

    def close(self) -> None:
        """Close the consumer."""
        self._consumer.close()

    def of(self, decision: NeedsReview) -> Product | None:
        """Return the product as it was decided, or ``None`` if its event has expired or is not the right one.

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
        # Fetch nothing more while the reviewer thinks.
        self._consumer.unassign()
        try:
            product = decode_product(message.value() or b"", message.key())
        except InvalidEvent:
            return None
        # If the topic was recreated, the offset belongs to another product.
        return (
            product if message.offset() == position.offset and product.product_id == decision.product_id else None
        )

    def _first(self, position: SourcePosition) -> Message:
        """Return the first message at or after the position."""
        deadline = time.monotonic() + TIMEOUT_SECONDS
        while time.monotonic() < deadline:
            message = self._consumer.poll(_POLL_SECONDS)
            # Messages of the previous position may still come first.
            if message is None or message.error() is not None or message.partition() != position.partition:
                continue
            if (message.offset() or 0) >= position.offset:
                return message
        silence = f"has not answered for {TIMEOUT_SECONDS:.0f} s; is the cluster well?"
        raise KafkaUnavailable(f"{position.topic}/{position.partition} {silence}")
