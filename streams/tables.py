"""The Faust tables of recall and learning, and their changelogs."""

from __future__ import annotations

import zlib
from typing import Any, Final

import faust

from schemas.events.statistics import StatisticKind
from schemas.topics import Topic
from streams.kafka.connection import MAX_MESSAGE_BYTES
from streams.settings import Settings

PRODUCT_DIGESTS: Final = "product_digests"
"""The table of the recall stage: what is known about each product."""
PRODUCT_CONTRIBUTIONS: Final = "product_contributions"
STATISTICS: Final[dict[StatisticKind, str]] = {
    "brand": "brand_frequency",
    "store": "store_cooccurrence",
    "tag": "tag_frequency",
}
"""The statistics tables, by kind."""
TABLES: Final = {
    PRODUCT_DIGESTS: "recall",
    PRODUCT_CONTRIBUTIONS: "learning",
    **dict.fromkeys(STATISTICS.values(), "learning"),
}
"""All tables, and the stage that owns each."""

# The most changes that a standby's table may lack when it takes over.
_STANDBY_CHANGES_BUFFERED: Final = 100


class LearningTables:
    """The tables of the learning stage, from bytes to bytes; a worker holds the partitions assigned to it."""

    def __init__(self, app: faust.App) -> None:
        self.product_contributions = _table(app, PRODUCT_CONTRIBUTIONS)
        self.statistics = {kind: _table(app, name) for kind, name in STATISTICS.items()}


def product_digests(app: faust.App) -> Any:
    """Return the table of the recall stage, from bytes to bytes; a worker holds the partitions assigned to it."""
    return _table(app, PRODUCT_DIGESTS)


def changelog_name(settings: Settings, table_name: str) -> str:
    """Return the name that Faust gives to a table's changelog."""
    return f"{settings.group(TABLES[table_name])}-{table_name}-changelog"


def changelog_topics(settings: Settings) -> tuple[Topic, ...]:
    """Return the tables' changelog topics; their names include the prefix already.

    We create them ourselves, because a topic that Faust creates is not yet in its metadata when it assigns
    partitions. They accept the largest message that we send: the weights of one store in 60,000 categories take a
    megabyte.
    """
    return tuple(Topic(changelog_name(settings, name), "compact", None, MAX_MESSAGE_BYTES) for name in TABLES)


def statistics_partition(kind: StatisticKind, key: bytes, partitions: int) -> int:
    """Return the partition of a key; its owner keeps the key's statistics, so this must never change."""
    return zlib.crc32(b"%s:%s" % (kind.encode(), key)) % partitions


def _table(app: faust.App, name: str) -> Any:
    return app.Table(name, key_type=bytes, value_type=bytes, standby_buffer_size=_STANDBY_CHANGES_BUFFERED)
