"""Turn candidates into the messages to send: decisions, withdrawals and tombstones."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Final

from schemas.events.batch import CandidateProduct, EventOutcome, Outcome, RecalledBatch
from schemas.events.cloudevents import EventType, headers
from schemas.events.codec import encode
from schemas.events.dead_letter import Headers
from schemas.events.position import SourcePosition, decision_id
from schemas.topics import CATEGORIES_ASSIGNED, CATEGORIES_NEEDS_REVIEW, Topic
from streams.learned.verdicts import LearnedVerdicts
from streams.model_process.messages import Ranked
from streams.outgoing import Outgoing
from streams.settings import Settings
from workers.bundle.bundle import Bundle
from workers.decisions import decision_event
from workers.ranking.ranking import Prediction, Ranking
from workers.recall.candidates import Candidates
from workers.standing_verdicts import overrule

_STAGE: Final = "ranking"
_REMOVED: Final = "product.removed"
_WITHDRAWN: Final = "category.withdrawn"
_log = logging.getLogger(__name__)


class Decisions:
    """Decides the products of batches independently, by a person's standing verdict or else with the model."""

    def __init__(self, settings: Settings, bundle: Bundle, verdicts: LearnedVerdicts | None = None) -> None:
        self._settings = settings
        self._bundle = bundle
        self._verdicts = verdicts

    def of(self, batches: Sequence[RecalledBatch], candidates: Candidates) -> list[Ranked]:
        """Return what to send for each batch; ``candidates`` are those of all the batches' products, in order."""
        predictions = iter(_predictions(self._bundle.ranking, candidates))
        now = datetime.now(UTC)
        return [self._ranked(batch, predictions, now) for batch in batches]

    def _ranked(
        self, batch: RecalledBatch, predictions: Iterator[Prediction | Exception], now: datetime
    ) -> Ranked:
        ranked = Ranked([], [], [])
        for product in batch.products:
            source = SourcePosition(batch.source_topic, batch.source_partition, product.offset)
            if product.removed:
                ranked.messages.extend(self._tombstones(product, source, now))
                ranked.outcomes.append(EventOutcome(product.offset, Outcome.REMOVED))
                ranked.timestamps_ms.append(product.timestamp_ms)
                continue
            prediction = next(predictions)
            if isinstance(prediction, Exception):
                ranked.outcomes.append(EventOutcome.failed(product.offset, _STAGE, prediction))
                continue
            prediction = self._judged(prediction, product, batch.source_partition)
            ranked.messages.append(self._decision(prediction, product, source, now))
            if product.known:
                ranked.messages.append(self._withdrawal(prediction, product, source, now))
            ranked.outcomes.append(EventOutcome(product.offset, prediction.outcome))
            ranked.timestamps_ms.append(product.timestamp_ms)
        return ranked

    def _judged(self, prediction: Prediction, product: CandidateProduct, partition: int) -> Prediction:
        """Return the decision of a person if their verdict stands, otherwise the model's."""
        if self._verdicts is None:
            return prediction
        if product.verdict_offset is not None:
            self._verdicts.await_read(partition, product.verdict_offset)
        verdict = self._verdicts.standing.of(product.product_id, product.title)
        return prediction if verdict is None else overrule(prediction, verdict)

    def _decision(
        self, prediction: Prediction, product: CandidateProduct, source: SourcePosition, now: datetime
    ) -> Outgoing:
        bundle = self._bundle
        event = decision_event(prediction, product, source, bundle.taxonomy, bundle.model_version)
        topic, _ = _topics(prediction)
        kind = EventType.CATEGORY_NEEDS_REVIEW if prediction.category is None else EventType.CATEGORY_ASSIGNED
        attributes = headers(kind, event.decision_id, subject=product.product_id, time=now)
        return self._outgoing(topic, product, encode(event), attributes)

    def _withdrawal(
        self, prediction: Prediction, product: CandidateProduct, source: SourcePosition, now: datetime
    ) -> Outgoing:
        """Return the tombstone of an earlier decision on the other topic.

        It is sent after the decision that replaces it, so Kafka never holds a product on neither topic. A consumer
        may still read the tombstone first.
        """
        _, other = _topics(prediction)
        event_id = decision_id(source, _WITHDRAWN)
        attributes = headers(EventType.CATEGORY_WITHDRAWN, event_id, subject=product.product_id, time=now)
        return self._outgoing(other, product, None, attributes)

    def _tombstones(self, product: CandidateProduct, source: SourcePosition, now: datetime) -> list[Outgoing]:
        event_id = decision_id(source, _REMOVED)
        attributes = headers(EventType.PRODUCT_REMOVED, event_id, subject=product.product_id, time=now)
        return [
            self._outgoing(topic, product, None, attributes)
            for topic in (CATEGORIES_ASSIGNED, CATEGORIES_NEEDS_REVIEW)
        ]

    def _outgoing(
        self, topic: Topic, product: CandidateProduct, value: bytes | None, attributes: Headers
    ) -> Outgoing:
        return Outgoing(self._settings.topic(topic), product.product_id.encode(), value, attributes)


def _predictions(ranking: Ranking, candidates: Candidates) -> list[Prediction | Exception]:
    """Decide all products at once; if that fails, one by one, so that one costs no other its decision."""
    if not len(candidates):
        return []
    try:
        return list(ranking.decide(candidates))
    except Exception:
        _log.exception("ranking of %d products at once failed; trying one by one", len(candidates))
    found: list[Prediction | Exception] = []
    for product in range(len(candidates)):
        try:
            found += ranking.decide(candidates.part(product, product + 1))
        except Exception as error:
            found.append(error)
    return found


def _topics(prediction: Prediction) -> tuple[Topic, Topic]:
    """Return the topic on which the prediction belongs, and the other decision topic."""
    if prediction.category is None:
        return CATEGORIES_NEEDS_REVIEW, CATEGORIES_ASSIGNED
    return CATEGORIES_ASSIGNED, CATEGORIES_NEEDS_REVIEW
