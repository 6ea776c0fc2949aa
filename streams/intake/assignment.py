"""Where reading starts on the partitions that a rebalance brings, and what Kafka is told of their new owner."""

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
# All partitions are asked about in one rebalance, and meanwhile nothing else is done.
_LEADER_SECONDS: Final = 2.0


@dataclass(frozen=True, slots=True)
class Committed:
    """What is committed of a partition: ``mark`` is ``None`` where nothing is, or where that is not ``known``."""

    mark: Mark | None = None
    known: bool = False


def begin(consumer: Consumer, settings: Settings, number: int, committed: Committed) -> PartitionIntake:
    """Return the state of a partition that is now ours; ``committed`` is what its last owner left."""
    return PartitionIntake(
        settings.topic(PRODUCTS_CHANGED),
        number,
        settings.batch_products,
        Window(
            settings.window_batches, settings.completion_timeout_seconds, time.monotonic, settings.batch_attempts
        ),
        next_offset=None if committed.mark is None else committed.mark.offset,
        generation=generation(consumer, TopicPartition(settings.topic(PRODUCTS_BATCHED), number), committed),
    )


def committed(consumer: Consumer, partitions: Sequence[TopicPartition]) -> dict[int, Committed]:
    """Return what is committed of each partition; of none where the broker does not answer."""
    if not partitions:
        return {}
    try:
        answer = consumer.committed(list(partitions), timeout=_BROKER_SECONDS)
    except KafkaException as error:
        # The consumer asks for offsets itself, and waits as long as it must.
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
    """Return the partition's end as an offset, or ``OFFSET_END`` where the broker does not answer.

    Asked for now: "the end" as librdkafka understands it is found only when it first fetches, perhaps after the
    first completions. Missing those would cost a resend.
    """
    ends = _ends(consumer, partition)
    return int(OFFSET_END) if ends is None else ends[1]


def first_offset(consumer: Consumer, partition: TopicPartition) -> int | None:
    """Return the partition's first offset, or ``None`` where the broker does not answer.

    To be asked before the partitions are assigned: after it each question waits half a second, behind a fetch.
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
    """Return the generation of the partition's new owner, or ``None`` where the broker did not say enough.

    It is the end of the topic of batches: whatever lies before it was sent by an earlier owner. But it is later
    than that owner's in any case, which may have sent nothing through Kafka.
    """
    end = end_offset(consumer, batched)
    if end == OFFSET_END or not committed.known:
        return None
    if committed.mark is None or committed.mark.generation is None:
        return end
    return max(end, committed.mark.generation + 1)


def announce(consumer: Consumer, topic: str, owned: Mapping[int, tuple[int | None, int | None]]) -> None:
    """Commit offsets that are committed already, now with the new owner's generation, before it sends anything.

    ``owned`` has offset and generation of each partition. Should that fail, or one of the two not be known, the
    next commit says it; until then batches of earlier owners are merely decided once more.
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
