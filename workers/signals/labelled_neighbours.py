"""Signal: the nearest labelled products vote for their categories.

Source: distance-weighted k-nearest neighbours, Dudani (1976).
"""

from __future__ import annotations

from typing import Final

import numpy as np

from workers.arrays.pairs import summed
from workers.recall.batch import Batch
from workers.signals.base import ReferenceSignal
from workers.signals.scores import SparseScores

VOTERS: Final = 24
# A neighbour at cosine 0.9 weighs e squared times as much as one at 0.8, so near-duplicates outvote the rest.
_SHARPNESS: Final = 20.0


class LabelledNeighbours(ReferenceSignal):
    """Scores each category by its share of the votes of the 24 nearest labelled products."""

    name = "labelled_neighbours"
    context_names: tuple[str, ...] = ("labelled_neighbours_nearest_cosine",)

    def score(self, batch: Batch) -> SparseScores:
        """Score by votes; the context is the cosine of the nearest neighbour, 0 if there is none."""
        found = self.reference.examples.nearest(batch)
        context = np.zeros((len(batch), 1), np.float32)
        cosines = found.cosines[found.known, :VOTERS].astype(np.float64)
        if cosines.size:
            context[:, 0] = found.cosines[:, 0]
            cosines = np.exp(_SHARPNESS * (cosines - cosines[:, :1]))
            cosines /= cosines.sum(axis=1, keepdims=True)
        voters = np.repeat(np.flatnonzero(found.known), cosines.shape[1])
        keys, votes = summed(voters, found.labels[found.known, :VOTERS].ravel(), cosines.ravel())
        return SparseScores(keys, votes.astype(np.float32), context)
