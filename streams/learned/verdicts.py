"""The standing verdicts, as read from the topic of verdicts."""

from __future__ import annotations

import logging
from threading import Condition
from typing import Any, Final

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

_WAIT_SECONDS: Final = 2.0
_log = logging.getLogger(__name__)


class LearnedVerdicts:
    """The verdicts of all partitions.

    A message that is no verdict ends the verdict before it on the product, as compaction does.
    """

    def __init__(self, settings: Settings, taxonomy: Taxonomy) -> None:
        self.standing = StandingVerdicts(taxonomy)
        self._topic = settings.topic(REVIEWS_DECIDED)
        self._partitions = settings.partitions
        self._read = dict.fromkeys(range(settings.partitions), -1)
        self._stuck: dict[int, int] = {}
        self._more = Condition()

    def await_read(self, partition: int, offset: int) -> None:
        """Return when the message at this offset has been read, or after two seconds.

        Any feed can name an offset that does not exist, so after waiting in vain it does not wait again until more
        of the partition has been read.
        """
        with self._more:
            read = self._read.get(partition)
            if read is None or self._stuck.get(partition) == read:
                return
            if not self._more.wait_for(lambda: self._read[partition] >= offset, _WAIT_SECONDS):
                self._stuck[partition] = self._read[partition]
                _log.warning("%s [%d] has no offset %d to wait for", self._topic, partition, offset)

    @property
    def handlers(self) -> dict[str, MessageHandler]:
        """The handler of each topic, by topic name."""
        return {self._topic: self._apply}

    def _apply(self, message: Any) -> None:
        try:
            self._add(message)
        finally:
            with self._more:
                self._read[message.partition()] = message.offset()
                self._more.notify_all()

    def _add(self, message: Any) -> None:
        verdict = None
        try:
            _, verdict = read_verdict(message.key(), message.value(), message.partition(), self._partitions)
        except InvalidEvent as error:
            if error.reason in (Reason.MISSING_KEY, Reason.WRONG_PARTITION):
                return
        product_id = message.key().decode(errors="replace")
        self.standing.add(product_id, original_offset(headers_of(message), message.offset()), verdict)
