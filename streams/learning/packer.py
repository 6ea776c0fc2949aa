"""Pack messages of decisions and verdicts: Faust takes half a millisecond for a message, whatever it holds."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

from confluent_kafka import Message

from schemas.errors import InvalidEvent
from schemas.events.codec import decode
from schemas.events.decision import CategoryAssigned, NeedsReview
from schemas.events.learning import LearnedDecision, LearningBatch, VerdictMessage
from streams.kafka.headers import headers_of
from workers.learning import Source, said_by_decision, said_by_tombstone

# Of one message; verdicts are carried whole, and each may be as large as its topic allows.
_MAX_EVENTS: Final = 500
_MAX_VERDICT_BYTES: Final = 2 << 20
_KINDS: Final[dict[str, type[CategoryAssigned | NeedsReview]]] = {
    "assigned": CategoryAssigned,
    "needs_review": NeedsReview,
}
_log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Open:
    """The batch of one partition that is being filled."""

    decisions: dict[tuple[str, str], LearnedDecision] = field(default_factory=dict)
    verdicts: dict[bytes | None, VerdictMessage] = field(default_factory=dict)
    verdict_bytes: int = 0

    def full(self, verdict: VerdictMessage | None) -> bool:
        """Return whether a further event, this verdict or a decision, has to go into another batch."""
        if verdict is not None and verdict.key in self.verdicts:
            return True
        many = len(self.decisions) + len(self.verdicts) >= _MAX_EVENTS
        return many or self.verdict_bytes >= _MAX_VERDICT_BYTES

    def batch(self, partition: int) -> LearningBatch:
        """Return the batch, the decisions of each topic in the order of their offsets."""
        decisions = sorted(self.decisions.values(), key=lambda item: (item.topic, item.offset))
        return LearningBatch(partition=partition, decisions=decisions, verdicts=list(self.verdicts.values()))


def pack(
    messages: Iterable[Message], sources: Mapping[str, Source], minimum_confidence: float
) -> Iterator[LearningBatch]:
    """Yield batches of messages of several partitions, those of each in the order in which they came.

    ``sources`` says by a topic's name what it is. Of a product's decisions on one topic the last is kept, as
    compaction would do. What is no decision is logged and left out.
    """
    filling: dict[int, _Open] = {}
    for message in messages:
        source = sources[message.topic() or ""]
        partition = message.partition() or 0
        verdict = _verdict(message) if source == "verdict" else None
        batch = filling.setdefault(partition, _Open())
        if batch.full(verdict):
            yield batch.batch(partition)
            batch = filling[partition] = _Open()
        if verdict is not None:
            batch.verdicts[verdict.key] = verdict
            batch.verdict_bytes += len(verdict.value or b"")
        elif source != "verdict" and (decision := _decision(message, source, minimum_confidence)) is not None:
            batch.decisions[source, decision.product_id] = decision
    for partition, batch in filling.items():
        if batch.decisions or batch.verdicts:
            yield batch.batch(partition)


def _verdict(message: Message) -> VerdictMessage:
    """Return a verdict as it came; the beginning of one that only compression brought through its topic."""
    headers = tuple((name, bytes(value or b"")) for name, value in headers_of(message))
    if sum(len(name) + len(value) for name, value in headers) > _MAX_VERDICT_BYTES:
        headers = ()
    value = message.value()
    return VerdictMessage(message.offset() or 0, message.key(), value and value[:_MAX_VERDICT_BYTES], headers)


def _decision(
    message: Message, source: Literal["assigned", "needs_review"], minimum_confidence: float
) -> LearnedDecision | None:
    offset, value = message.offset() or 0, message.value()
    try:
        product_id = (message.key() or b"").decode()
        if not product_id:
            raise InvalidEvent("missing_key", "the message has no key; it must be the product's id")
        if value is None:
            said = said_by_tombstone(offset)
        else:
            said = said_by_decision(decode(value, _KINDS[source]), offset, minimum_confidence)
    except (InvalidEvent, UnicodeDecodeError) as error:
        place = f"{message.topic()} [{message.partition()}] offset {offset}"
        _log.error("nothing learned from %s: %s", place, error)
        return None
    return LearnedDecision(source, offset, product_id, said)
