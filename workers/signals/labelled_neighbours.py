"""Signal: the labelled products nearest to a product vote for their categories (FAISS).

Source: distance-weighted k-nearest neighbours, Dudani (1976).
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from workers.signals.base import Batch, ReferenceSignal
from workers.signals.scores import SparseScores

VOTERS: Final = 24
# A neighbour at cosine 0.9 weighs e squared times one at 0.8: near-duplicates outvote mere relatives.
_SHARPNESS: Final = 20.0


class LabelledNeighbours(ReferenceSignal):
    """Votes of the 24 nearest labelled products, as shares of 1."""

    name = "labelled_neighbours"
    context_names: tuple[str, ...] = ("labelled_neighbours_nearest_cosine",)

    def score(self, batch: Batch) -> SparseScores:
        """Let the neighbours vote."""
        found = self.reference.examples.nearest(batch)
        context = np.zeros((len(batch), 1), np.float32)
        votes: list[dict[int, float]] = [{} for _ in range(len(batch))]
        if len(self.reference.examples):
            context[:, 0] = found.cosines[:, 0]
            for product in np.flatnonzero(found.known).tolist():
                votes[product] = _votes(found.cosines[product, :VOTERS], found.labels[product, :VOTERS])
        return SparseScores(votes, context)


def _votes(cosines: NDArray[np.float32], labels: NDArray[np.int32]) -> dict[int, float]:
    weights = np.exp(_SHARPNESS * (cosines.astype(np.float64) - float(cosines[0])))
    found: dict[int, float] = {}
    for label, weight in zip(labels.tolist(), (weights / weights.sum()).tolist(), strict=True):
        found[label] = found.get(label, 0.0) + weight
    return found
