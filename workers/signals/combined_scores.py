"""Combine the scores of all signals for one batch.

Handled one by one, the dozen small steps per signal would cost more than the signals themselves.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from workers.arrays.pairs import pair_keys, pairs_of
from workers.arrays.segments import argsort_within_groups, changes, position_in_group
from workers.signals.scores import SparseScores

if TYPE_CHECKING:
    from workers.signals.base import Scores

# Above the bits of any (product, category) key: a batch has fewer than 2 ** 26 products.
_SIGNAL_BITS: Final = 58


class CombinedScores:
    """The scores of s signals. All :class:`SparseScores` are merged into one sorted list and searched at once."""

    def __init__(self, scores: Sequence[Scores]) -> None:
        self._scores = tuple(scores)
        found = [(column, each) for column, each in enumerate(scores) if isinstance(each, SparseScores)]
        self._sparse = np.array([column for column, _ in found], np.int64)
        self._others = [(column, each) for column, each in enumerate(scores) if not isinstance(each, SparseScores)]
        sizes = [len(each.keys) for _, each in found]
        marks = np.repeat(self._sparse << _SIGNAL_BITS, sizes)
        self._keys = np.concatenate([np.empty(0, np.int64), *(each.keys for _, each in found)]) | marks
        self._values = np.concatenate([np.empty(0, np.float32), *(each.scores for _, each in found)])

    def top(self, count: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return the ``count`` best pairs of each signal and product as :func:`pair_keys`, and their signals."""
        # Among equal scores, the category with the lower index comes first.
        group = np.cumsum(changes(self._keys >> 32), dtype=np.int64)
        best = self._keys[argsort_within_groups(self._values, group)[position_in_group(group) < count]]
        signals = best >> _SIGNAL_BITS
        keys, columns = [best ^ (signals << _SIGNAL_BITS)], [signals]
        for column, each in self._others:
            keys.append(pair_keys(*each.top(count)))
            columns.append(np.full(len(keys[-1]), column))
        return np.concatenate(keys), np.concatenate(columns)

    def at(self, keys: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return the scores of m pairs, given as :func:`pair_keys`: float32 (m, s), NaN if a signal has none."""
        found = np.full((len(keys), len(self._scores)), np.nan, np.float32)
        if len(self._keys):
            wanted = keys[:, None] | (self._sparse << _SIGNAL_BITS)
            found_at = np.searchsorted(self._keys, wanted.ravel()).reshape(wanted.shape)
            np.minimum(found_at, len(self._keys) - 1, out=found_at)
            known = np.where(self._keys[found_at] == wanted, self._values[found_at], np.float32(np.nan))
            found[:, self._sparse] = known
        products, categories = pairs_of(keys)
        for column, each in self._others:
            found[:, column] = each.at(products, categories)
        return found
