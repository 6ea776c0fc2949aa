"""Seeded random choices that are the same on every Python version.

Only :meth:`random.Random.random` is guaranteed to stay the same across versions (documentation of the ``random``
module, "Notes on Reproducibility"), so every choice here is derived from it.
"""

from __future__ import annotations

import bisect
import itertools
import random
from collections.abc import Sequence
from typing import Generic, TypeVar

Item = TypeVar("Item")


class Weighted(Generic[Item]):
    """Items with weights, for :meth:`Dice.weighted`."""

    def __init__(self, items: Sequence[Item], weights: Sequence[float]) -> None:
        self.items = tuple(items)
        self.cumulative = tuple(itertools.accumulate(weights))


class Dice:
    """A source of random choices; equal seeds give equal choices."""

    def __init__(self, seed: int) -> None:
        # Seeding with an int uses its absolute value: include the sign, so that -1 and 1 differ.
        self._random = random.Random(2 * abs(seed) + (seed < 0))

    def uniform(self) -> float:
        """Return a number from 0 (included) to 1 (excluded)."""
        return self._random.random()

    def chance(self, probability: float) -> bool:
        """Return ``True`` with this probability."""
        return self._random.random() < probability

    def below(self, bound: int) -> int:
        """Return an integer from 0 to ``bound - 1``."""
        return int(self._random.random() * bound)

    def between(self, low: int, high: int) -> int:
        """Return an integer from ``low`` to ``high``, both included."""
        return low + self.below(high - low + 1)

    def pick(self, items: Sequence[Item]) -> Item:
        """Return one of the items."""
        return items[self.below(len(items))]

    def weighted(self, choice: Weighted[Item]) -> Item:
        """Return one of the items, chosen by weight."""
        point = self._random.random() * choice.cumulative[-1]
        return choice.items[min(bisect.bisect_right(choice.cumulative, point), len(choice.items) - 1)]

    def sample(self, items: Sequence[Item], count: int) -> list[Item]:
        """Return ``count`` different items, or all if there are fewer, in random order."""
        return self.shuffled(items)[:count]

    def shuffled(self, items: Sequence[Item]) -> list[Item]:
        """Return the items in random order (Fisher and Yates)."""
        result = list(items)
        for last in range(len(result) - 1, 0, -1):
            other = self.below(last + 1)
            result[last], result[other] = result[other], result[last]
        return result
