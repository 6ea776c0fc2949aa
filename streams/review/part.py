"""The part of the waiting products that one reviewer knows about."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from workers.statistics import normalise_key

if TYPE_CHECKING:
    from schemas.events.decision import NeedsReview


@dataclass(frozen=True, slots=True)
class Part:
    """Products of one of these stores, whose likeliest category is at or below ``under``, a path.

    ``stores`` are normalised as in the statistics. Without stores it has the products of all stores, and without
    ``under`` those of all categories.
    """

    stores: frozenset[str | None] = frozenset()
    under: tuple[str, ...] | None = None

    def has(self, decision: NeedsReview) -> bool:
        """Return whether a decision is on a product of this part."""
        if self.stores and self.stores.isdisjoint(map(normalise_key, decision.stores)):
            return False
        if self.under is None:
            return True
        first = decision.alternatives[0].category.path if decision.alternatives else ()
        return first[: len(self.under)] == self.under
