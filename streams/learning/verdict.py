"""Which verdict messages count: the same rule for learning, a reviewer's queue and training data."""

from __future__ import annotations

from schemas.errors import InvalidEvent
from schemas.events.dead_letter import Reason
from schemas.events.review import ReviewDecided, decode_verdict
from streams.kafka.partitioner import partition_of


def read_verdict(
    key: bytes | None, value: bytes | None, partition: int, partitions: int
) -> tuple[bytes, ReviewDecided | None]:
    """Return the product's key and the verdict, ``None`` if it is taken back; raises :class:`InvalidEvent`.

    ``partition`` is the message's own, and ``partitions`` the number of partitions of its topic.
    """
    if not key:
        raise InvalidEvent(Reason.MISSING_KEY, "the message has no key; it must be the product's id")
    if partition_of(key, partitions) != partition:
        # The product's contribution is kept in another partition, so it would be counted in addition to the
        # verdict.
        raise InvalidEvent(
            Reason.WRONG_PARTITION,
            f"partition {partition} is not that of the key by Kafka's default partitioner; publish verdicts with"
            " murmur2 (librdkafka: partitioner=murmur2_random)",
        )
    return key, None if value is None else decode_verdict(value, key)
