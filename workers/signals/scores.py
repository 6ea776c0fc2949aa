"""Two ways in which a signal may hold its scores: one for every known category, or a few for each product."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


def no_context(products: int) -> NDArray[np.float32]:
    """Return the context of a signal that has none: float32 (products, 0)."""
    return np.empty((products, 0), np.float32)


@dataclass(frozen=True, slots=True)
class DenseScores:
    """A score for each product and each of the categories that the signal knows.

    ``known`` int32 (c,) ascending node indices; ``scores`` float32 (n, c); ``context`` float32 (n, columns).
    """

    known: NDArray[np.int32]
    scores: NDArray[np.float32]
    context: NDArray[np.float32]

    def top(self, count: int) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
        """Return the best categories of each product; see :class:`workers.signals.base.Scores`."""
        count = min(count, len(self.known))
        if count == 0:
            return np.empty(0, np.int64), np.empty(0, np.int32)
        best = np.argpartition(-self.scores, count - 1, axis=1)[:, :count]
        return np.repeat(np.arange(len(self.scores)), count), self.known[best].ravel()

    def at(self, products: NDArray[np.int64], categories: NDArray[np.int32]) -> NDArray[np.float32]:
        """Return scores of pairs; see :class:`workers.signals.base.Scores`."""
        found = np.full(len(categories), np.nan, np.float32)
        if len(self.known):
            columns = np.minimum(np.searchsorted(self.known, categories), len(self.known) - 1)
            hit = self.known[columns] == categories
            found[hit] = self.scores[products[hit], columns[hit]]
        return found


class SparseScores:
    """Scores of the few categories that a signal has heard of for each product."""

    def __init__(self, rows: Sequence[Mapping[int, float]], context: NDArray[np.float32]) -> None:
        """``rows[i]`` maps node index to score, greater is better; ``context`` is float32 (n, columns)."""
        self.context = context
        ordered = [sorted(row.items(), key=lambda item: (-item[1], item[0])) for row in rows]
        sizes = np.array([len(row) for row in ordered], np.int64)
        self._products = np.repeat(np.arange(len(rows)), sizes)
        pairs = [pair for row in ordered for pair in row]
        self._categories = np.array([category for category, _ in pairs], np.int32)
        self._scores = np.array([score for _, score in pairs], np.float32)
        starts = np.repeat(np.cumsum(sizes) - sizes, sizes)
        self._places = np.arange(len(pairs)) - starts

    def top(self, count: int) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
        """Return the best categories of each product; see :class:`workers.signals.base.Scores`."""
        kept = self._places < count
        return self._products[kept], self._categories[kept]

    def at(self, products: NDArray[np.int64], categories: NDArray[np.int32]) -> NDArray[np.float32]:
        """Return scores of pairs; see :class:`workers.signals.base.Scores`."""
        found = np.full(len(categories), np.nan, np.float32)
        if not len(self._scores):
            return found
        keys = (self._products << 32) | self._categories
        order = np.argsort(keys)
        wanted = (products.astype(np.int64) << 32) | categories
        places = np.minimum(np.searchsorted(keys[order], wanted), len(keys) - 1)
        hit = keys[order][places] == wanted
        found[hit] = self._scores[order][places[hit]]
        return found
