"""Containers for scores: for every known category, for a few categories per product, or for some products only."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from workers.arrays.pairs import pair_keys, pairs_of
from workers.arrays.segments import argsort_within_groups, find, position_in_group
from workers.signals.base import Scores


def no_context(products: int) -> NDArray[np.float32]:
    """Return the context of a signal that has none: float32 (products, 0)."""
    return np.empty((products, 0), np.float32)


@dataclass(frozen=True, slots=True)
class DenseScores:
    """A score for each product and each category that the signal knows.

    ``known`` is int32 (c,), ascending node indices; ``scores`` float32 (n, c); ``context`` float32 (n, columns).
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
        """Return the scores of pairs; see :class:`workers.signals.base.Scores`."""
        found = np.full(len(categories), np.nan, np.float32)
        columns, hit = find(self.known, categories)
        found[hit] = self.scores[products[hit], columns[hit]]
        return found


class SparseScores:
    """Scores for the few categories that a signal knows for each product.

    ``keys``, int64 (m,), ascending, are the :func:`pair_keys` of (product, category) pairs; ``scores``, float32
    (m,), are their scores.
    """

    def __init__(self, keys: NDArray[np.int64], scores: NDArray[np.float32], context: NDArray[np.float32]) -> None:
        """Higher scores are better, and no pair occurs twice. ``context`` is float32 (n, columns)."""
        self.keys = keys
        self.scores = scores
        self.context = context

    def top(self, count: int) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
        """Return the best categories of each product; see :class:`workers.signals.base.Scores`."""
        products = self.keys >> 32
        # Stable: among equal scores, the category with the lower index comes first.
        best = argsort_within_groups(self.scores, products)
        kept = best[position_in_group(products) < count]
        return pairs_of(self.keys[kept])

    def at(self, products: NDArray[np.int64], categories: NDArray[np.int32]) -> NDArray[np.float32]:
        """Return the scores of pairs; see :class:`workers.signals.base.Scores`."""
        found = np.full(len(categories), np.nan, np.float32)
        rows, hit = find(self.keys, pair_keys(products, categories))
        found[hit] = self.scores[rows[hit]]
        return found


class PartialScores:
    """Scores for some products of a batch. The scores and the context of all other products are NaN."""

    def __init__(self, scores: Scores, rows: NDArray[np.intp], products: int) -> None:
        """``scores`` are those of the products at ``rows``, intp (k,), in a batch of ``products`` products."""
        self._scores = scores
        self._rows = rows
        self._row_of = np.full(products, -1, np.int64)
        self._row_of[rows] = np.arange(len(rows))
        self.context = np.full((products, scores.context.shape[1]), np.nan, np.float32)
        self.context[rows] = scores.context

    def top(self, count: int) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
        """Return the best categories of each product; see :class:`workers.signals.base.Scores`."""
        products, categories = self._scores.top(count)
        return self._rows[products].astype(np.int64), categories

    def at(self, products: NDArray[np.int64], categories: NDArray[np.int32]) -> NDArray[np.float32]:
        """Return the scores of pairs; see :class:`workers.signals.base.Scores`."""
        found = np.full(len(categories), np.nan, np.float32)
        rows = self._row_of[products]
        asked = rows >= 0
        found[asked] = self._scores.at(rows[asked], categories[asked])
        return found


class ProposesNothing:
    """Base of scores that propose no candidates and only score those of other signals."""

    def top(self, count: int) -> tuple[NDArray[np.int64], NDArray[np.int32]]:  # noqa: ARG002
        """Return nothing."""
        return np.empty(0, np.int64), np.empty(0, np.int32)
