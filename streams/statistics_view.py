"""A view of the statistics of all partitions, which the learning stage's tables hold, whoever has them."""

from __future__ import annotations

import logging
from math import inf
from threading import Event, Thread
from typing import Any, Final

import msgspec
from confluent_kafka import OFFSET_BEGINNING, Consumer, TopicPartition

from schemas.errors import InvalidSettings
from schemas.events.statistics import StatisticKind
from streams.kafka.errors import log_or_raise
from streams.kafka.partition_numbers import WAY_OUT
from streams.kafka.watermarks import watermarks
from streams.settings import Settings
from streams.state.completeness import is_ours
from streams.tables import STATISTICS, changelog_name, statistics_partition
from workers.statistics import NO_WEIGHTS, CategoryWeights

_READ_AT_ONCE: Final = 1_000
_TIMEOUT_SECONDS: Final = 10.0
_log = logging.getLogger(__name__)


class StatisticsView:
    """The statistics of all partitions, whoever holds their tables: reads the changelogs into memory.

    Not a Faust GlobalTable, which takes each record over the event loop, at some 6,000 a second.
    """

    def __init__(self, settings: Settings) -> None:
        self._weights: dict[StatisticKind, dict[str, CategoryWeights]] = {kind: {} for kind in STATISTICS}
        self._kinds = {changelog_name(settings, name): kind for kind, name in STATISTICS.items()}
        self._partitions = settings.partitions
        self._consumer = Consumer(settings.kafka.consumer_config(settings.group("statistics-view")), logger=_log)
        self._stopped = Event()
        self._caught_up = Event()
        self.failure: BaseException | None = None
        self._thread = Thread(target=self._run, name="shelfwise-statistics", daemon=True)

    def weights(self, kind: StatisticKind, key: str) -> CategoryWeights:
        """Return the weights of a normalised brand, store or tag, empty where it is unknown."""
        return self._weights[kind].get(key, NO_WEIGHTS)

    def start(self) -> None:
        """Begin to read, in a thread; :meth:`await_caught_up` tells when all was read that was there."""
        self._thread.start()

    def await_caught_up(self) -> None:
        """Return when all that was there has been read, or nothing is read any more."""
        self._caught_up.wait()

    def join(self) -> None:
        """Return when nothing is read any more."""
        self._thread.join()

    def stop(self) -> None:
        """Stop reading."""
        self._stopped.set()
        if self._thread.is_alive():
            self._thread.join(_TIMEOUT_SECONDS)

    def _run(self) -> None:
        try:
            self._read()
        except InvalidSettings as error:
            _log.error("the statistics cannot be used: %s", error)
            self.failure = error
        except BaseException as error:  # the worker looks at it and ends
            _log.exception("the statistics can no longer be read")
            self.failure = error
        finally:
            self._caught_up.set()
            self._consumer.close()

    def _read(self) -> None:
        partitions = [
            TopicPartition(topic, number, OFFSET_BEGINNING)
            for topic in self._kinds
            for number in range(self._partitions)
        ]
        missing = self._ends(partitions)
        self._consumer.assign(partitions)
        while not self._stopped.is_set():
            if missing:
                self._drop_reached(missing)
            elif not self._caught_up.is_set():
                self._caught_up.set()
            for message in self._consumer.consume(_READ_AT_ONCE, timeout=0.1):
                if message.error() is None:
                    self._apply(message)
                else:
                    log_or_raise(message.error(), message, "the statistics", _log)

    def _ends(self, partitions: list[TopicPartition]) -> dict[tuple[str, int], int]:
        found = {}
        for partition in partitions:
            low, high = watermarks(
                self._consumer, partition, _TIMEOUT_SECONDS, patience_seconds=inf, stopped=self._stopped
            )
            if high > low:
                found[partition.topic, partition.partition] = high
        return found

    def _drop_reached(self, missing: dict[tuple[str, int], int]) -> None:
        waiting = [TopicPartition(*partition) for partition in missing]
        for position in self._consumer.position(waiting):
            # Below zero: nothing was read of it yet.
            if position.offset >= missing[position.topic, position.partition]:
                del missing[position.topic, position.partition]

    def _apply(self, message: Any) -> None:
        if is_ours(message.key() or b""):
            return
        kind = self._kinds[message.topic()]
        self._refuse_other_partition(kind, message)
        weights = self._weights[kind]
        key = message.key().decode(errors="replace")
        if message.value() is None:
            weights.pop(key, None)
            return
        try:
            known = _decoder.decode(message.value()).weights
        except (msgspec.DecodeError, UnicodeDecodeError):
            _log.error("%s [%d] offset %d is no statistics; skipped", *_place(message))
            return
        # After a crash a change of one topic may arrive before the change of another that it takes back.
        live = {category: weight for category, weight in known.items() if weight > 0}
        if live:
            weights[key] = live
        else:
            weights.pop(key, None)

    def _refuse_other_partition(self, kind: StatisticKind, message: Any) -> None:
        """Raise :class:`InvalidSettings` where a record shows that the topics were once divided otherwise.

        More partitions take keys over from those that have counted them: each key would have two owners.
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
