"""The table of all topics: names, partitions, cleanup policy and retention."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Final, Literal

CleanupPolicy = Literal["delete", "compact", "compact,delete"]

DEFAULT_PARTITIONS: Final = 8


# The active segment of a partition is never compacted. By default it holds 1 GiB or 7 days, all of which every
# recovery would read. Compaction starts when a third of a partition is repeats, and after a day in any case.
_COMPACTION: Final = {
    "segment.bytes": str(64 << 20),
    "min.cleanable.dirty.ratio": "0.33",
    "max.compaction.lag.ms": str(24 * 3_600_000),
}


@dataclass(frozen=True, slots=True)
class Topic:
    """One topic.

    All topics have the same number of partitions (products, their batches, candidates and completions travel on
    one partition number), so ``partitions`` is a setting of the deployment, not of the topic. ``retention`` is
    ``None`` if nothing expires. ``max_message_bytes`` limits the size of a message, in bytes.
    """

    name: str
    cleanup_policy: CleanupPolicy
    retention: timedelta | None
    max_message_bytes: int = 1_048_576

    def config(self) -> dict[str, str]:
        """Return the broker's topic configuration (Kafka documentation, "Topic Configs")."""
        retention_ms = -1 if self.retention is None else int(self.retention.total_seconds() * 1000)
        config = {
            "cleanup.policy": self.cleanup_policy,
            "retention.ms": str(retention_ms),
            "max.message.bytes": str(self.max_message_bytes),
        }
        return config | _COMPACTION if self.cleanup_policy == "compact" else config


# A feed's oversized event must reach the dead letters with its original bytes, so both topics accept 8 MiB; a dead
# letter adds headers, so its topic accepts a little more. (The limits apply to compressed messages: if a feed
# compresses much better than we do, the dead letter holds only the beginning.) Micro-batches carry many events at
# once.
PRODUCTS_CHANGED: Final = Topic("products.changed.v1", "delete", timedelta(days=7), max_message_bytes=8_388_608)
PRODUCTS_BATCHED: Final = Topic("products.batched.v1", "delete", timedelta(hours=6), max_message_bytes=8_388_608)
CANDIDATES: Final = Topic("candidates.v1", "delete", timedelta(hours=6), max_message_bytes=16_777_216)
BATCHES_COMPLETED: Final = Topic("batches.completed.v1", "delete", timedelta(hours=6))
CATEGORIES_ASSIGNED: Final = Topic("categories.assigned.v1", "compact", None)
CATEGORIES_NEEDS_REVIEW: Final = Topic("categories.needs-review.v1", "compact", None)
REVIEWS_DECIDED: Final = Topic("reviews.decided.v1", "compact", None)
LEARNING_BATCHED: Final = Topic("learning.batched.v1", "delete", timedelta(days=7), max_message_bytes=8_388_608)
STATISTICS_CHANGED: Final = Topic("statistics.changed.v1", "delete", timedelta(days=1))
PRODUCTS_DEAD_LETTER: Final = Topic(
    "products.dead-letter.v1", "delete", timedelta(days=30), max_message_bytes=9_437_184
)

TOPICS: Final[tuple[Topic, ...]] = (
    PRODUCTS_CHANGED,
    PRODUCTS_BATCHED,
    CANDIDATES,
    BATCHES_COMPLETED,
    CATEGORIES_ASSIGNED,
    CATEGORIES_NEEDS_REVIEW,
    REVIEWS_DECIDED,
    LEARNING_BATCHED,
    STATISTICS_CHANGED,
    PRODUCTS_DEAD_LETTER,
)
