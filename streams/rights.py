"""The rights that each stage needs on topics and groups."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Final

from schemas.topics import (
    BATCHES_COMPLETED,
    CANDIDATES,
    CATEGORIES_ASSIGNED,
    CATEGORIES_NEEDS_REVIEW,
    LEARNING_BATCHED,
    PRODUCTS_BATCHED,
    PRODUCTS_CHANGED,
    PRODUCTS_DEAD_LETTER,
    REVIEWS_DECIDED,
    STATISTICS_CHANGED,
    TOPICS,
    Topic,
)
from streams.faust_app import Stage
from streams.kafka.rights import Right
from streams.learned.follower import GROUP as FOLLOWER
from streams.learning.reader import GROUP as LEARNING_READER
from streams.settings import Settings
from streams.tables import STATISTICS, TABLES, changelog_name

_READ: Final[Mapping[Stage, tuple[Topic, ...]]] = {
    "intake": (PRODUCTS_CHANGED, BATCHES_COMPLETED),
    "recall": (PRODUCTS_BATCHED,),
    "ranking": (CANDIDATES,),
    "learning": (
        CATEGORIES_ASSIGNED,
        CATEGORIES_NEEDS_REVIEW,
        REVIEWS_DECIDED,
        LEARNING_BATCHED,
        STATISTICS_CHANGED,
        PRODUCTS_CHANGED,
    ),
}
_WRITTEN: Final[Mapping[Stage, tuple[Topic, ...]]] = {
    "intake": (PRODUCTS_BATCHED, PRODUCTS_DEAD_LETTER),
    "recall": (CANDIDATES,),
    "ranking": (CATEGORIES_ASSIGNED, CATEGORIES_NEEDS_REVIEW, BATCHES_COMPLETED),
    "learning": (LEARNING_BATCHED, STATISTICS_CHANGED, PRODUCTS_CHANGED, PRODUCTS_DEAD_LETTER),
}
_GROUPS: Final[Mapping[Stage, tuple[str, ...]]] = {
    "intake": ("intake",),
    "recall": ("recall",),
    "ranking": ("ranking",),
    "learning": ("learning", LEARNING_READER),
}


def needed_rights(settings: Settings, stages: Collection[Stage]) -> set[Right]:
    """Return the rights that a worker of these stages needs; it describes all topics, whatever it reads."""
    found = {Right("DESCRIBE", "topic", settings.topic(topic)) for topic in TOPICS}
    found |= {Right("DESCRIBE", "topic", changelog_name(settings, table)) for table in TABLES}
    for stage in stages:
        found |= {Right("READ", "topic", settings.topic(topic)) for topic in _READ[stage]}
        found |= {Right("WRITE", "topic", settings.topic(topic)) for topic in _WRITTEN[stage]}
        found |= {Right("READ", "group", settings.group(group)) for group in _GROUPS[stage]}
        found |= set(_of_tables(settings, stage))
    if "ranking" in stages and settings.learning:  # its model reads the standing verdicts
        found.add(Right("READ", "topic", settings.topic(REVIEWS_DECIDED)))
    if settings.learning and not {"recall", "ranking"}.isdisjoint(stages):
        found.add(Right("DESCRIBE", "group", settings.group(FOLLOWER)))
    if "recall" in stages:  # it asks how far intake is
        found.add(Right("DESCRIBE", "group", settings.group("intake")))
    return found


def _of_tables(settings: Settings, stage: Stage) -> Iterator[Right]:
    for table, keeper in TABLES.items():
        name = changelog_name(settings, table)
        if keeper == stage:
            yield Right("READ", "topic", name)
            yield Right("WRITE", "topic", name)
        elif stage == "recall" and settings.learning and table in STATISTICS.values():
            yield Right("READ", "topic", name)
