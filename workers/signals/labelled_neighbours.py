"""Signal: the labelled products nearest to a product vote for their categories (FAISS).

Source: distance-weighted k-nearest neighbours, Dudani (1976).
"""

from __future__ import annotations

from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

from workers.nearest import flat_index, nearest
from workers.signals.base import Batch, CategoryVectors, SignalState, TrainingSet
from workers.signals.scores import SparseScores

NEIGHBOURS: Final = 24
# A neighbour at cosine 0.9 weighs e times one at 0.8: near-duplicates outvote mere relatives.
_SHARPNESS: Final = 10.0


class LabelledNeighbours:
    """Votes of the 24 nearest labelled products, as shares of 1."""

    name = "labelled_neighbours"
    context_names: tuple[str, ...] = ("labelled_neighbours_nearest_cosine",)

    def __init__(self, vectors: NDArray[np.float32], labels: NDArray[np.int32]) -> None:
        """``vectors`` float32 (n, d) of labelled products, ``labels`` int32 (n,) their node indices."""
        self._vectors = vectors
        self._labels = labels
        self._index = flat_index(vectors)

    def score(self, batch: Batch) -> SparseScores:
        """Let the neighbours vote."""
        context = np.zeros((len(batch), 1), np.float32)
        votes: list[dict[int, float]] = [{} for _ in range(len(batch))]
        known = np.flatnonzero(np.any(batch.vectors, axis=1))
        if len(known) and len(self._labels):
            cosines, rows = nearest(self._index, self._vectors, batch.vectors[known], NEIGHBOURS)
            context[known, 0] = cosines[:, 0]
            for place, product in enumerate(known.tolist()):
                votes[product] = _votes(cosines[place], self._labels[rows[place]])
        return SparseScores(votes, context)

    @classmethod
    def fit(cls, training: TrainingSet) -> Self:
        """Keep the labelled products that have a vector."""
        known = training.batch.vectors.any(axis=1)
        return cls(np.ascontiguousarray(training.batch.vectors[known]), training.labels[known])

    def state(self) -> SignalState:
        """Return vectors and labels."""
        return SignalState({"vectors": self._vectors, "labels": self._labels}, {})

    @classmethod
    def restore(cls, state: SignalState, categories: CategoryVectors) -> Self:  # noqa: ARG003
        """Index the vectors again."""
        return cls(state.arrays["vectors"], state.arrays["labels"])


def _votes(cosines: NDArray[np.float32], labels: NDArray[np.int32]) -> dict[int, float]:
    weights = np.exp(_SHARPNESS * (cosines.astype(np.float64) - float(cosines[0])))
    found: dict[int, float] = {}
    for label, weight in zip(labels.tolist(), (weights / weights.sum()).tolist(), strict=True):
        found[label] = found.get(label, 0.0) + weight
    return found
