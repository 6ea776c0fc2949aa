"""Which messages of verdicts count: for learning, for a reviewer's queue and for training data alike."""

from __future__ import annotations

from schemas.errors import InvalidEvent
from schemas.events.dead_letter import Reason
from schemas.events.review import ReviewDecided, decode_verdict
from streams.kafka.partitioner import partition_of


def read_verdict(
    key: bytes | None, value: bytes | None, partition: int, partitions: int
) -> tuple[bytes, ReviewDecided | None]:
    """Return the product's key, and the verdict, ``None`` where it is taken back; raises :class:`InvalidEvent`.

    ``partition`` is the message's own, of so many.
    """
    if not key:
        raise InvalidEvent(Reason.MISSING_KEY, "the message has no key; it must be the product's id")
    if partition_of(key, partitions) != partition:
        # What the product contributes is kept elsewhere: it would be counted beside the verdict.
        raise InvalidEvent(
            Reason.WRONG_PARTITION,
            f"partition {partition} is not that of the key by Kafka's default partitioner; publish verdicts with"
            " murmur2 (librdkafka: partitioner=murmur2_random)",
        )
    return key, None if value is None else decode_verdict(value, key)
