"""Signal: the nearest labelled products among those of the same brand, or of the same shops.

A brand of cosmetics and soap says little by its counts; what it calls "lumi glow" says all. Within one brand or
shop names are used one way.
"""

from __future__ import annotations

from typing import Final, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from workers.examples import group_keys
from workers.signals.base import Batch, Reference, ReferenceSignal
from workers.signals.scores import SparseScores, pair_keys

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
        found = [_Closest.none()]
        for row, product in enumerate(batch.products):
            groups = [self._groups[key] for key in group_keys(product) if key in self._groups]
            found += [self._closest(row, rows, batch.branded[row]) for rows in groups]
        products, labels, cosines = (np.concatenate(parts) for parts in zip(*found, strict=True))
        np.maximum.at(context[:, 0], products, cosines)
        # Of both groups of a product, brand and shop, the nearer sibling counts.
        order = np.lexsort((-cosines, labels, products))
        _, firsts = np.unique(pair_keys(products, labels)[order], return_index=True)
        kept = order[firsts]
        return SparseScores(products[kept], labels[kept], cosines[kept], context)

    def _closest(self, product: int, rows: NDArray[np.int32], vector: NDArray[np.float32]) -> _Closest:
        labels = self.reference.examples.labels[rows]
        cosines = np.einsum("ij,j->i", self.reference.examples.vectors[rows], vector, optimize=False)
        firsts = np.flatnonzero(np.diff(labels, prepend=-1))
        return _Closest(
            np.full(len(firsts), product, np.int64), labels[firsts], np.maximum.reduceat(cosines, firsts)
        )


class _Closest(NamedTuple):
    """Of a product the nearest sibling of each category: int64, int32 and float32, of equal length."""

    products: NDArray[np.int64]
    labels: NDArray[np.int32]
    cosines: NDArray[np.float32]

    @classmethod
    def none(cls) -> Self:
        """Return no siblings."""
        return cls(np.empty(0, np.int64), np.empty(0, np.int32), np.empty(0, np.float32))


def _sample(rows: NDArray[np.int32]) -> NDArray[np.int32]:
    if len(rows) <= MAXIMUM_SIBLINGS:
        return rows
    return rows[np.linspace(0, len(rows) - 1, MAXIMUM_SIBLINGS).astype(np.int64)]
