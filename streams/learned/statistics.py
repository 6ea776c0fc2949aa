"""The statistics of all partitions, read from the changelogs of the learning stage's tables."""

from __future__ import annotations

import logging
from typing import Any, Final

import msgspec

from schemas.errors import InvalidSettings
from schemas.events.statistics import StatisticKind
from streams.kafka.partition_numbers import WAY_OUT
from streams.learned.follower import MessageHandler
from streams.settings import Settings
from streams.state.completeness import is_ours
from streams.tables import STATISTICS, changelog_name, statistics_partition
from workers.statistics import NO_WEIGHTS, CategoryWeights

_log = logging.getLogger(__name__)


class LearnedStatistics:
    """The statistics, as read from the changelogs of their tables."""

    def __init__(self, settings: Settings) -> None:
        self._weights: dict[StatisticKind, dict[str, CategoryWeights]] = {kind: {} for kind in STATISTICS}
        self._kinds = {changelog_name(settings, name): kind for kind, name in STATISTICS.items()}
        self._partitions = settings.partitions

    @property
    def handlers(self) -> dict[str, MessageHandler]:
        """The handler of each topic, by topic name."""
        return dict.fromkeys(self._kinds, self._apply)

    def weights(self, kind: StatisticKind, key: str) -> CategoryWeights:
        """Return the weights of a normalised brand, store or tag; empty if it is unknown."""
        return self._weights[kind].get(key, NO_WEIGHTS)

    def _apply(self, message: Any) -> None:
        if is_ours(message.key() or b""):
            return
        try:
            known = {} if message.value() is None else _decoder.decode(message.value()).weights
        except (msgspec.DecodeError, UnicodeDecodeError):
            _log.error("%s [%d] offset %d is no statistics; skipped", *_place(message))
            return
        kind = self._kinds[message.topic()]
        self._refuse_other_partition(kind, message)
        weights = self._weights[kind]
        key = message.key().decode(errors="replace")
        # A weight may be negative: after a crash, a change may arrive before the one of another topic that it
        # reverses.
        live = {category: weight for category, weight in known.items() if weight > 0}
        if live:
            weights[key] = live
        else:
            weights.pop(key, None)

    def _refuse_other_partition(self, kind: StatisticKind, message: Any) -> None:
        """Raise :class:`InvalidSettings` if a record shows that the topics once had another number of partitions.

        More partitions would take over keys from those that have counted them, so each key would have two owners.
        """
        partition = statistics_partition(kind, message.key(), self._partitions)
        if partition != message.partition():
            raise InvalidSettings(
                f"{message.topic()} [{message.partition()}] has statistics which of {self._partitions} partitions"
                f" belong to [{partition}]: the topics were made with another number of partitions. {WAY_OUT}"
            )


class _Weights(msgspec.Struct):
    weights: dict[str, float]


_decoder: Final = msgspec.json.Decoder(_Weights)


def _place(message: Any) -> tuple[str, int, int]:
    return message.topic(), message.partition(), message.offset()
