"""Read and write changelogs in bulk, without Faust, which takes about 100 us per record."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from threading import Event
from typing import Any, Final, NamedTuple

from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition

from streams.kafka.connection import KafkaConnection
from streams.kafka.watermarks import watermarks
from streams.outgoing import Outgoing
from streams.state.stores import Change, Interrupted

_READ_AT_ONCE: Final = 10_000
_POLL_SECONDS: Final = 0.2
_TIMEOUT_SECONDS: Final = 30.0
# What librdkafka may hold for us, and request at once; a small record costs it three times its size on top.
_QUEUE_KBYTES: Final = 8_192
_log = logging.getLogger(__name__)


class Place(NamedTuple):
    """A partition of a changelog; it compares equal to Faust's own ``TP``."""

    topic: str
    partition: int


Apply = Callable[[Place, list[Change], int], None]
"""Applies the changes of one partition, in order; the last argument is the offset of the last one."""


class Changelog:
    """Reads and writes partitions of changelogs; it blocks, so use it in a thread."""

    def __init__(self, connection: KafkaConnection, group: str, stopped: Event) -> None:
        """If ``stopped`` is set, reading and writing end with :class:`Interrupted`."""
        self._connection = connection
        self._stopped = stopped
        self._consumer = Consumer(
            connection.consumer_config(
                group,
                {
                    "enable.partition.eof": True,
                    "queued.max.messages.kbytes": _QUEUE_KBYTES,
                    "fetch.max.bytes": _QUEUE_KBYTES << 10,
                    "fetch.message.max.bytes": 1 << 20,
                    "queued.min.messages": _READ_AT_ONCE,
                    # By default librdkafka pauses fetching for a second when its queue is full.
                    "fetch.queue.backoff.ms": 10,
                },
            ),
            logger=_log,
        )

    def close(self) -> None:
        """Close the consumer."""
        self._consumer.close()

    def bounds(self, place: Place) -> tuple[int, int]:
        """Return the first offset that exists and the next one to be written; raises KafkaException."""
        return watermarks(self._consumer, TopicPartition(*place), _TIMEOUT_SECONDS, stopped=self._stopped)

    def read(self, starts: Mapping[Place, int], apply: Apply) -> int:
        """Read from these offsets to the end; return the number of records.

        Raises :class:`Interrupted`, and KafkaException if the broker refuses for good.
        """
        missing = set(starts)
        if not missing:
            return 0
        self._consumer.assign([TopicPartition(*place, offset) for place, offset in starts.items()])
        count = 0
        try:
            while missing:
                if self._stopped.is_set():
                    raise Interrupted
                count += self._read_some(missing, apply)
        finally:
            self._consumer.unassign()
        return count

    def _read_some(self, missing: set[Place], apply: Apply) -> int:
        changes: defaultdict[Place, list[Change]] = defaultdict(list)
        ends: dict[Place, int] = {}
        count = 0
        for message in self._consumer.consume(_READ_AT_ONCE, _POLL_SECONDS):
            place = Place(message.topic(), message.partition())
            if (error := message.error()) is None:
                count += 1
                if message.key() is not None:
                    changes[place].append((message.key(), message.value()))
                ends[place] = message.offset()
            elif error.code() == KafkaError._PARTITION_EOF:
                missing.discard(place)
            else:
                raise KafkaException(error)
        for place, end in ends.items():
            apply(place, changes[place], end)
        return count

    def write(self, place: Place, records: Iterable[tuple[bytes, bytes]]) -> int:
        """Append records and return the offset of the last; raises KafkaException if one does not arrive."""
        producer = Producer(
            self._connection.producer_config(
                {"enable.idempotence": True, "queue.buffering.max.kbytes": _QUEUE_KBYTES}
            )
        )
        last, failures = -1, []

        def arrived(error: KafkaError | None, message: Any) -> None:
            nonlocal last
            if error is not None:
                failures.append(error)
            else:
                last = max(last, message.offset())

        for key, value in records:
            if self._stopped.is_set():
                raise Interrupted
            Outgoing(place.topic, key, value, [], place.partition).produce_in_turn(producer, arrived)
            producer.poll(0)
        producer.flush()
        if failures:
            raise KafkaException(failures[0])
        return last
