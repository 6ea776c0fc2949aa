"""Publish a person's verdict on a product."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final
from uuid import uuid4

from confluent_kafka import KafkaError, Message, Producer

from schemas.errors import InvalidEvent, KafkaUnavailable
from schemas.events.cloudevents import EventType, headers
from schemas.events.codec import decode, encode
from schemas.events.dead_letter import Reason
from schemas.events.decision import NeedsReview
from schemas.events.review import ReviewDecided
from schemas.topics import REVIEWS_DECIDED
from streams.clients.connect import open_producer
from streams.kafka.errors import of_topic
from streams.settings import Settings

_FLUSH_SECONDS: Final = 30.0


class VerdictGiver:
    """Publishes the verdicts of one reviewer."""

    def __init__(self, settings: Settings, reviewer: str, taxonomy_version: str) -> None:
        """Open a producer; raises :class:`KafkaUnavailable`."""
        self._producer: Producer = open_producer(settings, REVIEWS_DECIDED)
        self._topic = settings.topic(REVIEWS_DECIDED)
        self._reviewer = reviewer
        self._taxonomy_version = taxonomy_version

    def give(
        self,
        product_id: str,
        category_id: str | None,
        decision: NeedsReview | None = None,
        *,
        title: str | None = None,
        tags: tuple[str, ...] = (),
    ) -> ReviewDecided:
        """Publish a verdict and return it once Kafka has it; a ``category_id`` of ``None`` means nowhere.

        ``title`` and ``tags`` are the product's, for what the ``decision`` does not tell. Raises
        :class:`KafkaUnavailable`, and :class:`InvalidEvent` for a verdict that could not be read.
        """
        verdict = ReviewDecided(
            review_id=str(uuid4()),
            product_id=product_id,
            category_id=category_id,
            reviewer=self._reviewer,
            decided_at=datetime.now(UTC),
            decision_id=decision.decision_id if decision else None,
            title=(decision.title if decision else None) or title,
            taxonomy_version=self._taxonomy_version,
            brand=decision.brand if decision else None,
            stores=decision.stores if decision else (),
            tags=decision.tags if decision else tags,
        )
        value = _checked(verdict)
        refused: list[KafkaError] = []

        def delivered(error: KafkaError | None, _: Message) -> None:
            if error is not None:
                refused.append(of_topic(error, self._topic))

        self._producer.produce(
            self._topic,
            key=product_id.encode(),
            value=value,
            headers=headers(EventType.REVIEW_DECIDED, verdict.review_id, subject=product_id),
            on_delivery=delivered,
        )
        if self._producer.flush(_FLUSH_SECONDS) or refused:
            reason = refused[0].str() if refused else f"{self._topic}: no answer for {_FLUSH_SECONDS:.0f} s"
            raise KafkaUnavailable(f"the verdict on {product_id!r} was not published: {reason}")
        return verdict


def _checked(verdict: ReviewDecided) -> bytes:
    try:
        value = encode(verdict)
    except UnicodeEncodeError as error:
        raise InvalidEvent(Reason.INVALID_UTF8, f"the verdict is not published: {error}") from None
    # Encoding does not check the contract, but decoding does.
    decode(value, ReviewDecided)
    return value
