"""Counts of categories by brand, store or tag, from labelled products and from the stream."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Final, Protocol

from schemas.events.statistics import StatisticKind

CategoryWeights = Mapping[str, float]
"""Category id to the summed weight of the products in it."""

NO_WEIGHTS: CategoryWeights = {}
# Several signals ask for the same brand and stores of a product, and feeds repeat them.
_NAMES_CACHED: Final = 16_384


class Statistics(Protocol):
    """What the stream has learned since the bundle was fitted; read by the signals that use counts."""

    def weights(self, kind: StatisticKind, key: str) -> CategoryWeights:
        """Return the weights of a normalised brand, store or tag; empty if it is unknown.

        After more was learned about the key, a new mapping is returned.
        """


class NoStatistics:
    """The state before anything was learned from the stream, which ``classify`` uses by default."""

    def weights(self, kind: StatisticKind, key: str) -> CategoryWeights:  # noqa: ARG002
        """Return nothing."""
        return NO_WEIGHTS


@lru_cache(_NAMES_CACHED)
def normalise_key(text: str | None) -> str | None:
    """Return the normalised form under which a brand or store is counted: case-folded, white space collapsed."""
    if text is None:
        return None
    return " ".join(text.casefold().split()) or None
