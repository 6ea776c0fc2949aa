"""Signal: the nearest labelled products among those of the same brand, or of the same shops.

A brand of cosmetics and soap says little by its counts; what it calls "lumi glow" says all. Within one brand or
shop names are used one way.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from workers.examples import group_keys
from workers.signals.base import Batch, Reference, ReferenceSignal
from workers.signals.scores import SparseScores

# Bounds the cost of a product of a shop with a hundred thousand products: half a megabyte is read.
MAXIMUM_SIBLINGS: Final = 512


class SiblingExamples(ReferenceSignal):
    """The cosine of the nearest sibling of each category; of many siblings an even sample is asked."""

    name = "sibling_examples"
    context_names: tuple[str, ...] = ("sibling_examples_nearest_cosine",)

    def __init__(self, reference: Reference) -> None:
        """Sort each group of siblings by category, so that a sample is fair to all of them."""
        super().__init__(reference)
        labels = reference.examples.labels
        self._groups = {
            key: _sample(rows[np.argsort(labels[rows], kind="stable")])
            for key, rows in reference.examples.groups.items()
        }

    def score(self, batch: Batch) -> SparseScores:
        """Score by cosine."""
        context = np.zeros((len(batch), 1), np.float32)
        scored: list[dict[int, float]] = []
        for row, product in enumerate(batch.products):
            groups = [self._groups[key] for key in group_keys(product) if key in self._groups]
            best: dict[int, float] = {}
            for rows in groups:
                self._closest(rows, batch.branded[row], best)
            context[row, 0] = max(best.values(), default=0.0)
            scored.append(best)
        return SparseScores(scored, context)

    def _closest(self, rows: NDArray[np.int32], vector: NDArray[np.float32], best: dict[int, float]) -> None:
        labels = self.reference.examples.labels[rows]
        cosines = np.einsum("ij,j->i", self.reference.examples.vectors[rows], vector, optimize=False)
        firsts = np.flatnonzero(np.diff(labels, prepend=-1))
        greatest = np.maximum.reduceat(cosines, firsts)
        for label, cosine in zip(labels[firsts].tolist(), greatest.tolist(), strict=True):
            best[label] = max(best.get(label, -1.0), cosine)


def _sample(rows: NDArray[np.int32]) -> NDArray[np.int32]:
    if len(rows) <= MAXIMUM_SIBLINGS:
        return rows
    return rows[np.linspace(0, len(rows) - 1, MAXIMUM_SIBLINGS).astype(np.int64)]
