"""The standing verdicts, as read from the topic of verdicts."""

from __future__ import annotations

from typing import Any

from schemas.errors import InvalidEvent
from schemas.events.sent_again import original_offset
from schemas.taxonomy.tree import Taxonomy
from schemas.topics import REVIEWS_DECIDED
from streams.kafka.headers import headers_of
from streams.learned.follower import Reader
from streams.learning.verdict import read_verdict
from streams.settings import Settings
from workers.standing_verdicts import StandingVerdicts


class LearnedVerdicts:
    """The verdicts of all partitions; those that learning turns into dead letters are skipped."""

    def __init__(self, settings: Settings, taxonomy: Taxonomy) -> None:
        self.standing = StandingVerdicts(taxonomy)
        self._topic = settings.topic(REVIEWS_DECIDED)
        self._partitions = settings.partitions

    @property
    def readers(self) -> dict[str, Reader]:
        """The reader of each topic, by topic name."""
        return {self._topic: self._apply}

    def _apply(self, message: Any) -> None:
        try:
            key, verdict = read_verdict(message.key(), message.value(), message.partition(), self._partitions)
            product_id = key.decode()
        except (InvalidEvent, UnicodeDecodeError):
            return
        self.standing.add(product_id, original_offset(headers_of(message), message.offset()), verdict)
