"""Signal: the nearest labelled product of each category, however few products the category has.

Voting favours large categories, but a single near-duplicate in a small category is evidence too. Source: the
nearest-neighbour rule, Cover and Hart (1967).
"""

from __future__ import annotations

import numpy as np

from workers.arrays.pairs import pair_keys
from workers.arrays.segments import changes
from workers.recall.batch import Batch
from workers.signals.base import ReferenceSignal
from workers.signals.scores import SparseScores, no_context


class ClosestExample(ReferenceSignal):
    """Scores each category by the cosine of its nearest labelled product, among the 48 nearest overall."""

    name = "closest_example"
    context_names: tuple[str, ...] = ()

    def score(self, batch: Batch) -> SparseScores:
        """Score by cosine."""
        found = self.reference.examples.nearest(batch)
        products = np.repeat(np.flatnonzero(found.known), found.labels.shape[1])
        labels = found.labels[found.known].ravel()
        keys = pair_keys(products, labels)
        # Neighbours are sorted nearest first, and a stable sort keeps the nearest of each pair in front.
        order = np.argsort(keys, kind="stable")
        order = order[changes(keys[order])]
        return SparseScores(keys[order], found.cosines[found.known].ravel()[order], no_context(len(batch)))
