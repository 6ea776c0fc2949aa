"""Signal: the nearest labelled products among those of the same brand or the same shops.

For a brand that sells both cosmetics and soap, counts say little, but what it calls "lumi glow" says everything:
a brand or shop uses names consistently.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from workers.arrays.pairs import pair_keys
from workers.arrays.segments import starts
from workers.recall.batch import Batch
from workers.recall.examples import group_keys
from workers.signals.base import Reference, ReferenceSignal
from workers.signals.scores import SparseScores

# Bounds the cost for a product of a shop with a hundred thousand products: half a megabyte is read.
MAXIMUM_SIBLINGS: Final = 512
# The vectors of recently used groups are cached contiguously, which cuts the cost to a third: 64 MiB at d = 256.
_VECTORS_HELD: Final = 65_536


class _Siblings(NamedTuple):
    """A group of m products, sorted by category.

    ``vectors`` is float32 (m, d). ``labels``, int32 (c,), are the group's categories, and ``firsts``, intp (c,),
    the rows where they begin.
    """

    vectors: NDArray[np.float32]
    labels: NDArray[np.int32]
    firsts: NDArray[np.intp]

    def closest(self, vector: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the cosine of the nearest sibling in each category of ``labels``: float32 (c,)."""
        cosines = np.einsum("ij,j->i", self.vectors, vector, optimize=False)
        nearest: NDArray[np.float32] = np.maximum.reduceat(cosines, self.firsts)
        return nearest


class SiblingExamples(ReferenceSignal):
    """Scores each category by the cosine of its nearest sibling; large groups are sampled evenly."""

    name = "sibling_examples"
    context_names: tuple[str, ...] = ("sibling_examples_nearest_cosine",)

    def __init__(self, reference: Reference) -> None:
        super().__init__(reference)
        self._held: dict[str, _Siblings] = {}
        self._vectors_held = 0

    def score(self, batch: Batch) -> SparseScores:
        """Score by the nearest sibling among all groups of a product: its brand and its shops."""
        groups = self.reference.examples.groups
        owners = [0]
        labels, cosines = [np.empty(0, np.int32)], [np.empty(0, np.float32)]
        for row, product in enumerate(batch.products):
            for key in group_keys(product):
                if key in groups:
                    siblings = self._siblings(key)
                    owners.append(row)
                    labels.append(siblings.labels)
                    cosines.append(siblings.closest(batch.branded[row]))
        products = np.repeat(np.array(owners), [len(part) for part in labels])
        keys = pair_keys(products, np.concatenate(labels))
        order = np.argsort(keys, kind="stable")
        keys = keys[order]
        firsts = starts(keys)
        nearest = np.concatenate(cosines)[order]
        if len(firsts):
            nearest = np.maximum.reduceat(nearest, firsts)
        context = np.zeros((len(batch), 1), np.float32)
        keys = keys[firsts]
        np.maximum.at(context[:, 0], keys >> 32, nearest)
        return SparseScores(keys, nearest, context)

    def _siblings(self, key: str) -> _Siblings:
        found = self._held.get(key)
        if found is None:
            examples = self.reference.examples
            rows = examples.groups[key]
            # Sorting by category makes the sample represent all categories evenly.
            rows = _sample(rows[np.argsort(examples.labels[rows], kind="stable")])
            labels = examples.labels[rows]
            firsts = starts(labels)
            found = _Siblings(examples.vectors[rows], labels[firsts], firsts)
            if self._vectors_held + len(rows) > _VECTORS_HELD:
                self._held, self._vectors_held = {}, 0
            self._held[key] = found
            self._vectors_held += len(rows)
        return found


def _sample(rows: NDArray[np.int32]) -> NDArray[np.int32]:
    if len(rows) <= MAXIMUM_SIBLINGS:
        return rows
    return rows[np.linspace(0, len(rows) - 1, MAXIMUM_SIBLINGS).astype(np.int64)]
