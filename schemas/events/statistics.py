"""Statistics changed (internal): products' weights move between categories, by brand, store or tag."""

from __future__ import annotations

from typing import Final, Literal, get_args

import msgspec

from schemas.events.position import SourcePosition

StatisticKind = Literal["brand", "store", "tag"]
STATISTIC_KINDS: Final[tuple[StatisticKind, ...]] = get_args(StatisticKind)


class StatisticsChanged(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Take ``removed_weight`` from one category and add ``added_weight`` to another.

    ``key`` is the normalised brand, store or tag. ``source`` is the position of the event that caused the change.
    For one key, the positions within a source partition only grow, so a repeat is recognised by its position.
    """

    kind: StatisticKind
    key: str
    source: SourcePosition
    removed_category: str | None = None
    removed_weight: float = 0.0
    added_category: str | None = None
    added_weight: float = 0.0


class StatisticsBatch(msgspec.Struct, frozen=True):
    """Changes to keys whose statistics are on one partition, in the order in which they count."""

    changes: list[StatisticsChanged]
