"""Where to start reading the partitions that a rebalance assigns, and how to tell Kafka about their new owner."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from confluent_kafka import OFFSET_END, Consumer, KafkaException, TopicPartition

from schemas.topics import PRODUCTS_BATCHED, PRODUCTS_CHANGED
from streams.intake.partition import PartitionIntake
from streams.intake.window import Window
from streams.kafka.watermarks import watermarks
from streams.progress import Mark, commit_metadata, committed_generation
from streams.settings import Settings

logger = logging.getLogger(__name__)

_BROKER_SECONDS: Final = 10.0
# One rebalance asks about all partitions, and intake does nothing else meanwhile.
_LEADER_SECONDS: Final = 2.0


@dataclass(frozen=True, slots=True)
class Committed:
    """What is committed for a partition; ``mark`` is ``None`` if nothing is, or if that is not ``known``."""

    mark: Mark | None = None
    known: bool = False


def begin(
    consumer: Consumer, settings: Settings, number: int, committed: Committed, batch_products: int
) -> PartitionIntake:
    """Return the initial state of a newly assigned partition; ``committed`` is what its last owner committed.

    ``batch_products`` is the most products in a batch.
    """
    return PartitionIntake(
        settings.topic(PRODUCTS_CHANGED),
        number,
        batch_products,
        Window(
            settings.window_batches, settings.completion_timeout_seconds, time.monotonic, settings.batch_attempts
        ),
        next_offset=None if committed.mark is None else committed.mark.offset,
        generation=generation(consumer, TopicPartition(settings.topic(PRODUCTS_BATCHED), number), committed),
    )


def committed(consumer: Consumer, partitions: Sequence[TopicPartition]) -> dict[int, Committed]:
    """Return what is committed for each partition, or nothing if the broker does not answer."""
    if not partitions:
        return {}
    try:
        answer = consumer.committed(list(partitions), timeout=_BROKER_SECONDS)
    except KafkaException as error:
        # The consumer itself also asks for the offsets, and waits as long as it must.
        logger.warning("committed offsets are not known: %s", error.args[0].str())
        return {}
    return {
        item.partition: Committed(
            Mark(item.offset, committed_generation(item.metadata)) if item.offset >= 0 else None, known=True
        )
        for item in answer
        if item.error is None
    }


def end_offset(consumer: Consumer, partition: TopicPartition) -> int:
    """Return the partition's end as an offset, or ``OFFSET_END`` if the broker does not answer.

    It must be asked for now: librdkafka finds its own "end" only at its first fetch, perhaps after the first
    completions. Missing those would cost a resend.
    """
    ends = _ends(consumer, partition)
    return int(OFFSET_END) if ends is None else ends[1]


def first_offset(consumer: Consumer, partition: TopicPartition) -> int | None:
    """Return the partition's first offset, or ``None`` if the broker does not answer.

    Ask before the partitions are assigned: afterwards each question waits half a second behind a fetch.
    """
    ends = _ends(consumer, partition)
    return None if ends is None else ends[0]


def _ends(consumer: Consumer, partition: TopicPartition) -> tuple[int, int] | None:
    try:
        return watermarks(consumer, partition, _BROKER_SECONDS, patience_seconds=_LEADER_SECONDS)
    except KafkaException as error:
        logger.warning(
            "the ends of %s/%d are not known: %s", partition.topic, partition.partition, error.args[0].str()
        )
        return None


def generation(consumer: Consumer, batched: TopicPartition, committed: Committed) -> int | None:
    """Return the generation of the partition's new owner, or ``None`` if the broker did not say enough.

    It is the end offset of the topic of batches, because everything before it was sent by an earlier owner. It is
    at least one more than the earlier owner's generation, because that owner may have sent nothing through Kafka.
    """
    end = end_offset(consumer, batched)
    if end == OFFSET_END or not committed.known:
        return None
    if committed.mark is None or committed.mark.generation is None:
        return end
    return max(end, committed.mark.generation + 1)


def announce(consumer: Consumer, topic: str, owned: Mapping[int, tuple[int | None, int | None]]) -> None:
    """Commit the committed offsets again, with the new owner's generation, before it sends anything.

    ``owned`` maps partitions to their offset and generation. If the commit fails, or offset or generation is
    unknown, the next commit announces the owner; until then batches of earlier owners are merely decided once
    more.
    """
    places = [
        TopicPartition(topic, number, offset, commit_metadata(owner))
        for number, (offset, owner) in owned.items()
        if offset is not None and owner is not None
    ]
    try:
        if places:
            consumer.commit(offsets=places, asynchronous=False)
    except KafkaException as error:
        logger.warning("the new owner of partitions of %s is not announced: %s", topic, error.args[0].str())
