"""Offsets that an admin client was asked for."""

from __future__ import annotations

from concurrent.futures import Future
from typing import Any

from confluent_kafka import KafkaError, KafkaException


def told_offset(future: Future[Any]) -> int:
    """Return the offset of an answer of ``AdminClient.list_offsets`` that has arrived.

    Raises :class:`confluent_kafka.KafkaException`, also for an answer that is neither an error nor an offset, as
    seen after a broker was killed.
    """
    offset = int(future.result().offset)
    if offset < 0:
        raise KafkaException(KafkaError(KafkaError.OFFSET_NOT_AVAILABLE))
    return offset
