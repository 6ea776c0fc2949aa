"""The statistics agent: applies changes of brand, store and tag statistics on the worker that keeps them."""

from __future__ import annotations

import logging
from collections import Counter, defaultdict
from collections.abc import AsyncIterable, Iterable, Iterator, Mapping
from typing import Any, Final
from uuid import uuid4

import faust
import msgspec

from schemas.errors import InvalidEvent
from schemas.events.cloudevents import EventType, headers
from schemas.events.codec import decode, encode
from schemas.events.statistics import StatisticKind, StatisticsBatch, StatisticsChanged
from schemas.topics import STATISTICS_CHANGED
from streams.agents.context import Context
from streams.agents.rereading import LogPlace
from streams.faust_app import raw_topic
from streams.outgoing import Outgoing
from streams.settings import Settings
from streams.state.entries import EntriesOf
from streams.state.stores import Interrupted
from streams.tables import statistics_partition
from workers import learning
from workers.learning import Key, KeyStatistics

# Limits for one message; a change takes about 200 bytes plus its key.
_MAX_CHANGES: Final = 2_000
_MAX_KEY_BYTES: Final = 262_144
_log = logging.getLogger(__name__)
_decoder: Final = msgspec.json.Decoder(KeyStatistics)


def statistics_messages(settings: Settings, changes: Iterable[StatisticsChanged]) -> list[Outgoing]:
    """Return the changes as messages to the partitions of their keys; the changes of one key stay in order."""
    by_partition: dict[int, list[StatisticsChanged]] = defaultdict(list)
    for change in changes:
        partition = statistics_partition(change.kind, change.key.encode(), settings.partitions)
        by_partition[partition].append(change)
    topic = settings.topic(STATISTICS_CHANGED)
    return [
        Outgoing(
            topic,
            None,
            encode(StatisticsBatch(lot)),
            headers(EventType.STATISTICS_CHANGED, str(uuid4())),
            partition,
        )
        for partition, found in by_partition.items()
        for lot in _lots(found)
    ]


def _lots(changes: Iterable[StatisticsChanged]) -> Iterator[list[StatisticsChanged]]:
    """Yield runs of changes that fit into one message each."""
    lot: list[StatisticsChanged] = []
    key_bytes = 0
    for change in changes:
        if lot and (len(lot) >= _MAX_CHANGES or key_bytes >= _MAX_KEY_BYTES):
            yield lot
            lot, key_bytes = [], 0
        lot.append(change)
        key_bytes += len(change.key.encode())
    if lot:
        yield lot


class StatisticsStage:
    """Applies changes to the tables, which store a key's weights and the positions counted so far in one value.

    ``failure`` is what kept changes from being applied, if anything did; they are read again after a restart.
    """

    def __init__(self, context: Context, tables: Mapping[str, EntriesOf]) -> None:
        """``tables`` are the tables of brands, stores and tags, by kind."""
        self.context = context
        self._tables = tables
        self.failure: BaseException | None = None

    async def run(self, stream: Any) -> None:
        """Run the agent's loop, which acknowledges events itself."""
        unacknowledged = stream.noack()
        events: AsyncIterable[Any] = unacknowledged.events()
        async for event in events:
            if self.failure is None and self._done(event):
                await unacknowledged.ack(event)

    def _done(self, event: Any) -> bool:
        """Return whether the message is done and may be acknowledged."""
        try:
            self.apply(event.value, event.message.partition)
        except InvalidEvent as error:
            _log.error("no statistics from %s: %s", LogPlace.of(event), error)
        except Interrupted:
            return False
        except Exception as error:
            _log.exception("the statistics of %s cannot be kept", LogPlace.of(event))
            self.failure = error
            return False
        return True

    def apply(self, value: bytes | None, partition: int) -> None:
        """Apply the changes of a message read from ``partition``; repeated changes are counted and have no effect.

        If the statistics of a key cannot be read, they are left as they are. Raises :class:`InvalidEvent` if the
        message does not hold changes, and what the tables raise.
        """
        by_key: dict[Key, list[StatisticsChanged]] = defaultdict(list)
        for change in decode(value, StatisticsBatch).changes:
            by_key[change.kind, change.key].append(change)
        tables = {kind: entries_of(partition) for kind, entries_of in self._tables.items()}
        applied: Counter[StatisticKind] = Counter()
        repeated: Counter[StatisticKind] = Counter()
        for (kind, name), changes in by_key.items():
            table, key = tables[kind], name.encode()
            stored = table.get(key)
            try:
                known = KeyStatistics() if stored is None else _decoder.decode(stored)
            except (msgspec.DecodeError, UnicodeDecodeError) as error:
                _log.error("the statistics of %s %r cannot be read, and stay as they are: %s", kind, name, error)
                continue
            changed, new = learning.apply_changes(known, changes)
            applied[kind] += new
            repeated[kind] += len(changes) - new
            if new:
                table[key] = encode(changed)
        for kind in applied:
            self.context.metrics.statistics_updated(kind, applied=applied[kind], repeated=repeated[kind])


def add_statistics_agent(app: faust.App, stage: StatisticsStage) -> None:
    """Register the stage as an agent of the application on its topic."""
    topic = raw_topic(app, stage.context.settings.topic(STATISTICS_CHANGED))
    app.agent(topic, name="statistics", concurrency=1)(stage.run)
