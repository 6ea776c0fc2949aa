"""Pack messages of decisions and verdicts: Faust takes half a millisecond per message, whatever its size."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

from confluent_kafka import Message

from schemas.errors import InvalidEvent
from schemas.events.codec import decode
from schemas.events.dead_letter import Reason
from schemas.events.decision import CategoryAssigned, NeedsReview
from schemas.events.learning import LearnedDecision, LearningBatch, VerdictMessage
from streams.kafka.headers import bytes_of, headers_of
from workers.learning import Source, said_by_decision, said_by_tombstone

# The limits of one batch, which is one message.
_MAX_EVENTS: Final = 500
_MAX_BYTES: Final = 2 << 20
# The limit for each of a verdict's key, value and headers. They are passed on whole if they are smaller, as those
# of all valid verdicts are.
_MAX_PART_BYTES: Final = 1 << 20
# The most bytes of a character in JSON, except for control characters, which take six.
_CHARACTER_BYTES: Final = 4
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
    bytes_held: int = 0

    def full(self, verdict: VerdictMessage | None) -> bool:
        """Return whether the next event, this verdict or (if ``None``) a decision, must go into another batch."""
        if verdict is not None and verdict.key in self.verdicts:
            return True
        many = len(self.decisions) + len(self.verdicts) >= _MAX_EVENTS
        return many or self.bytes_held >= _MAX_BYTES

    def batch(self, partition: int) -> LearningBatch:
        """Return the batch; the decisions of each topic are in the order of their offsets."""
        decisions = sorted(self.decisions.values(), key=lambda item: (item.topic, item.offset))
        return LearningBatch(partition=partition, decisions=decisions, verdicts=list(self.verdicts.values()))


def pack(
    messages: Iterable[Message], sources: Mapping[str, Source], minimum_confidence: float
) -> Iterator[LearningBatch]:
    """Yield batches of messages of several partitions; those of each partition stay in order.

    ``sources`` maps a topic's name to what it holds. Of a product's decisions on one topic, only the last is kept,
    as compaction would do. A message that is not a valid decision is logged and left out.
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
            batch.bytes_held += len(verdict.key or b"") + len(verdict.value or b"") + bytes_of(verdict.headers)
        elif source != "verdict" and (decision := _decision(message, source, minimum_confidence)) is not None:
            batch.decisions[source, decision.product_id] = decision
            batch.bytes_held += _CHARACTER_BYTES * _characters(decision)
    for partition, batch in filling.items():
        if batch.decisions or batch.verdicts:
            yield batch.batch(partition)


def _verdict(message: Message) -> VerdictMessage:
    """Return a verdict as it arrived, or only its beginning if it is too large.

    A verdict can only be that large if compression brought it through its topic.
    """
    headers = tuple((name, bytes(value or b"")) for name, value in headers_of(message))
    key, value = (part and part[:_MAX_PART_BYTES] for part in (message.key(), message.value()))
    kept = headers if bytes_of(headers) <= _MAX_PART_BYTES else ()
    return VerdictMessage(message.offset() or 0, key, value, kept)


def _characters(decision: LearnedDecision) -> int:
    said = decision.said
    return sum(map(len, (decision.product_id, said.category or "", said.brand or "", *said.stores, *said.tags)))


def _decision(
    message: Message, source: Literal["assigned", "needs_review"], minimum_confidence: float
) -> LearnedDecision | None:
    offset, value = message.offset() or 0, message.value()
    try:
        product_id = (message.key() or b"").decode()
        if not product_id:
            raise InvalidEvent(Reason.MISSING_KEY, "the message has no key; it must be the product's id")
        if value is None:
            said = said_by_tombstone(offset)
        else:
            said = said_by_decision(decode(value, _KINDS[source]), offset, minimum_confidence)
    except (InvalidEvent, UnicodeDecodeError) as error:
        place = f"{message.topic()} [{message.partition()}] offset {offset}"
        _log.error("nothing learned from %s: %s", place, error)
        return None
    return LearnedDecision(source, offset, product_id, said)
