"""The standing verdicts, as read from the topic of verdicts."""

from __future__ import annotations

from typing import Any

from schemas.errors import InvalidEvent
from schemas.events.dead_letter import Reason
from schemas.events.sent_again import original_offset
from schemas.taxonomy.tree import Taxonomy
from schemas.topics import REVIEWS_DECIDED
from streams.kafka.headers import headers_of
from streams.learned.follower import MessageHandler
from streams.learning.verdict import read_verdict
from streams.settings import Settings
from workers.standing_verdicts import StandingVerdicts


class LearnedVerdicts:
    """The verdicts of all partitions.

    A message that is no verdict ends the verdict before it on the product, as compaction does.
    """

    def __init__(self, settings: Settings, taxonomy: Taxonomy) -> None:
        self.standing = StandingVerdicts(taxonomy)
        self._topic = settings.topic(REVIEWS_DECIDED)
        self._partitions = settings.partitions

    @property
    def handlers(self) -> dict[str, MessageHandler]:
        """The handler of each topic, by topic name."""
        return {self._topic: self._apply}

    def _apply(self, message: Any) -> None:
        verdict = None
        try:
            _, verdict = read_verdict(message.key(), message.value(), message.partition(), self._partitions)
        except InvalidEvent as error:
            if error.reason in (Reason.MISSING_KEY, Reason.WRONG_PARTITION):
                return
        product_id = message.key().decode(errors="replace")
        self.standing.add(product_id, original_offset(headers_of(message), message.offset()), verdict)
