"""Read a partition in order up to an offset, or a topic up to its current end."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from typing import Final

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, Message, TopicPartition

from schemas.errors import KafkaUnavailable
from schemas.events.dead_letter import Headers
from schemas.events.sent_again import original_offset
from schemas.topics import Topic
from streams.clients.connect import open_partition_reader, partition_numbers
from streams.kafka.headers import headers_of
from streams.kafka.watermarks import watermarks
from streams.settings import Settings

# RD_KAFKA_PARTITION_UA: the error does not concern a partition.
_NO_PARTITION: Final = -1
_AT_ONCE: Final = 500
_POLL_SECONDS: Final = 0.2
_SILENCE_SECONDS: Final = 30.0
_TIMEOUT_SECONDS: Final = 10.0


@dataclass(frozen=True, slots=True)
class PublishedEvent:
    """A message of a topic as received; ``timestamp_ms`` is since the epoch."""

    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: Headers
    timestamp_ms: int = 0

    @property
    def first_offset(self) -> int:
        """The offset at which the event was first published."""
        return original_offset(self.headers, self.offset)


class PartitionReader:
    """Reads from offset ``first`` with a consumer of :func:`streams.clients.connect.open_partition_reader`.

    A consumer may read several partitions one after the other, but none of them twice: librdkafka has been seen to
    report the end of an assignment after the next one had begun, and the messages before that end would then be
    skipped.
    """

    def __init__(self, consumer: Consumer, topic: str, partition: int, first: int) -> None:
        self._consumer = consumer
        self._topic = topic
        self._partition = partition
        self._next = first
        consumer.assign([TopicPartition(topic, partition, first)])

    @property
    def next_offset(self) -> int:
        """The offset at which reading continues."""
        return self._next

    def end(self) -> int:
        """Return the offset after the last message; raises :class:`KafkaUnavailable`."""
        return _end(self._consumer, self._topic, self._partition)

    def read_to(self, last: int) -> Iterator[PublishedEvent]:
        """Yield the unexpired events before offset ``last``, and maybe some after it that arrived with them.

        Raises :class:`KafkaUnavailable` if nothing arrives for 30 seconds.
        """
        waited = 0.0
        while self._next < last:
            began = time.monotonic()
            # consume() would wait its whole timeout for all of them, so poll for the first one.
            arrived = self._consumer.poll(_POLL_SECONDS)
            messages = [] if arrived is None else [arrived, *self._consumer.consume(_AT_ONCE, 0)]
            waited = 0.0 if messages else waited + time.monotonic() - began
            if waited > _SILENCE_SECONDS:
                silence = f"has not answered for {_SILENCE_SECONDS:.0f} s"
                raise KafkaUnavailable(f"{self._topic}/{self._partition} {silence}")
            yield from self._events(messages)

    def _events(self, messages: list[Message]) -> Iterator[PublishedEvent]:
        for message in messages:
            error = message.error()
            if message.partition() not in (self._partition, _NO_PARTITION):
                continue
            if error is None:
                self._next = int(message.offset()) + 1
                yield PublishedEvent(
                    message.partition(),
                    message.offset(),
                    message.key(),
                    message.value(),
                    headers_of(message),
                    message.timestamp()[1],
                )
            elif error.code() == KafkaError._PARTITION_EOF:
                self._next = max(self._next, int(message.offset()))
            else:
                raise KafkaUnavailable(f"reading {message.topic() or 'from Kafka'} failed: {error.str()}")


class TopicReader:
    """Reads partitions of a topic one after the other, repeatedly, each time from where it stopped.

    Between reads no fetch is running.
    """

    def __init__(self, settings: Settings, topic: Topic) -> None:
        """Open a consumer; raises :class:`KafkaUnavailable`."""
        self._settings = settings
        self._topic = topic
        self._name = settings.topic(topic)
        self._consumer = open_partition_reader(settings, topic)
        self.partitions = partition_numbers(self._consumer, settings, topic)
        self._next = dict.fromkeys(self.partitions, int(OFFSET_BEGINNING))

    def close(self) -> None:
        """Close the consumer."""
        self._consumer.close()

    def read_on(self, partitions: Iterable[int]) -> Iterator[PublishedEvent]:
        """Yield the events that these partitions got since the last read, and maybe some that arrive meanwhile.

        Raises :class:`KafkaUnavailable`.
        """
        ends = {number: _end(self._consumer, self._name, number) for number in partitions}
        longer = {number: end for number, end in ends.items() if end > max(self._next[number], 0)}
        if not longer:
            return
        # A new consumer for each call, so that none reads a partition twice.
        with closing(open_partition_reader(self._settings, self._topic)) as consumer:
            for number, end in longer.items():
                reader = PartitionReader(consumer, self._name, number, self._next[number])
                yield from reader.read_to(end)
                self._next[number] = reader.next_offset


def _end(consumer: Consumer, topic: str, partition: int) -> int:
    try:
        return watermarks(consumer, TopicPartition(topic, partition), _TIMEOUT_SECONDS)[1]
    except KafkaException as error:
        reason = error.args[0].str()
        raise KafkaUnavailable(f"the end of {topic}/{partition} is not known: {reason}") from error


def read_topic(settings: Settings, topic: Topic) -> Iterator[PublishedEvent]:
    """Yield everything that a topic holds now, and maybe what arrives meanwhile, in order within each partition.

    Raises :class:`KafkaUnavailable`.
    """
    with closing(TopicReader(settings, topic)) as reader:
        yield from reader.read_on(reader.partitions)
