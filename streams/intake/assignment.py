"""Where reading starts on the partitions that a rebalance brings."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Final

from confluent_kafka import OFFSET_END, Consumer, KafkaException, TopicPartition

logger = logging.getLogger(__name__)

_BROKER_SECONDS: Final = 10.0


def committed_offsets(consumer: Consumer, partitions: Sequence[TopicPartition]) -> dict[int, int]:
    """Return the committed offset of each partition that has one; of none where the broker does not answer."""
    if not partitions:
        return {}
    try:
        answer = consumer.committed(list(partitions), timeout=_BROKER_SECONDS)
    except KafkaException as error:
        # Only metrics need them now: the consumer asks for itself, and waits as long as it must.
        logger.warning("committed offsets are not known: %s", error.args[0].str())
        return {}
    return {item.partition: item.offset for item in answer if item.error is None and item.offset >= 0}


def end_offset(consumer: Consumer, partition: TopicPartition) -> int:
    """Return the partition's end as an offset, or ``OFFSET_END`` where the broker does not answer.

    Asked for now: "the end" as librdkafka understands it is found only when it first fetches, perhaps after the
    first completions. Missing those would cost a resend.
    """
    try:
        return int(consumer.get_watermark_offsets(partition, timeout=_BROKER_SECONDS)[1])
    except KafkaException as error:
        logger.warning(
            "the end of %s/%d is not known: %s", partition.topic, partition.partition, error.args[0].str()
        )
        return int(OFFSET_END)
