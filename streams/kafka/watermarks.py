"""Ask for the first and the end offset of a partition, repeatedly while it has no leader."""

from __future__ import annotations

import logging
import time
from threading import Event
from typing import Final

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

_ASK_AGAIN_SECONDS: Final = 0.1
# Errors of a new partition, or while its leader changes; librdkafka returns them to us at once.
_NOT_YET: Final = (
    KafkaError.NOT_LEADER_FOR_PARTITION,
    KafkaError.LEADER_NOT_AVAILABLE,
    KafkaError.UNKNOWN_TOPIC_OR_PART,
    KafkaError._UNKNOWN_PARTITION,  # no leader is known, as when the broker is shutting down
)
logger = logging.getLogger(__name__)


def watermarks(
    consumer: Consumer,
    partition: TopicPartition,
    timeout_seconds: float,
    *,
    patience_seconds: float | None = None,
    stopped: Event | None = None,
) -> tuple[int, int]:
    """Return the first offset that exists in a partition, and the offset that the next message will get.

    Waits up to ``timeout_seconds`` for an answer. While the partition has no leader, asks again for up to
    ``patience_seconds`` (default: the timeout), unless ``stopped`` is set meanwhile. Raises
    :class:`confluent_kafka.KafkaException` with the last error.
    """
    patience = timeout_seconds if patience_seconds is None else patience_seconds
    waiting = stopped or Event()
    deadline = time.monotonic() + patience
    while True:
        try:
            first, end = consumer.get_watermark_offsets(partition, timeout_seconds)
        except KafkaException as error:
            if error.args[0].code() not in _NOT_YET or waiting.is_set() or time.monotonic() >= deadline:
                raise
            logger.info("%s/%d: %s", partition.topic, partition.partition, error.args[0].str())
            waiting.wait(_ASK_AGAIN_SECONDS)
        else:
            return int(first), int(end)
