"""The likeliest candidate of a product, and the likeliest ancestor at every depth."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from workers.arrays import segments
from workers.arrays.pairs import pair_keys, pairs_of
from workers.recall.candidates import Candidates


@dataclass(frozen=True, slots=True)
class TopCandidates:
    """The likeliest candidate of each of n products.

    ``row`` int64 (n,) its row among the candidates, -1 where there are none; ``category`` int32 (n,) its node,
    -1 likewise; ``probability`` float64 (n,), 0 likewise.
    """

    row: NDArray[np.int64]
    category: NDArray[np.int32]
    probability: NDArray[np.float64]

    @classmethod
    def of(cls, candidates: Candidates, probability: NDArray[np.float64]) -> Self:
        """Find them; of equal ones the first in the order of the tree's nodes."""
        rows = np.full(len(candidates), -1, np.int64)
        owner = candidates.product_of_row
        likeliest = segments.first_greatest(probability, segments.starts(owner))
        rows[owner[likeliest]] = likeliest
        has = rows >= 0
        category = np.full(len(candidates), -1, np.int32)
        best = np.zeros(len(candidates))
        category[has] = candidates.categories[rows[has]]
        best[has] = probability[rows[has]]
        return cls(rows, category, best)


@dataclass(frozen=True, slots=True)
class AncestorLevels:
    """For each product and depth the likeliest node, by the summed probability of the candidates in its subtree.

    ``category`` int32 (n, depths), -1 where no candidate is that deep; ``probability`` float64 (n, depths),
    never rising with depth.
    """

    category: NDArray[np.int32]
    probability: NDArray[np.float64]

    @classmethod
    def of(cls, candidates: Candidates, probability: NDArray[np.float64], ancestors: NDArray[np.int32]) -> Self:
        """Sum the candidates' probabilities up the tree; ``ancestors`` is the tree's int32 ancestor matrix."""
        depths = ancestors.shape[1]
        category = np.full((len(candidates), depths), -1, np.int32)
        best = np.zeros((len(candidates), depths))
        nodes = ancestors[candidates.categories].T
        depth, row = np.nonzero(nodes >= 0)
        level = depth * len(candidates) + candidates.product_of_row[row]
        keys, place = segments.groups(pair_keys(level, nodes[depth, row]))
        mass = np.bincount(place, weights=probability[row], minlength=len(keys)).astype(np.float64, copy=False)
        likeliest = segments.first_greatest(mass, segments.starts(keys >> 32))
        levels, categories = pairs_of(keys[likeliest])
        depth, product = np.divmod(levels, max(1, len(candidates)))
        category[product, depth] = categories
        best[product, depth] = mass[likeliest]
        return cls(category, np.minimum.accumulate(best, axis=1))

    def above(self, nodes: NDArray[np.int32]) -> AncestorLevels:
        """Return the levels above one node of each product, int32 (n,): backing off from it does not end there."""
        reached = np.logical_or.accumulate(self.category == nodes[:, None], axis=1)
        return AncestorLevels(np.where(reached, -1, self.category), np.where(reached, 0.0, self.probability))

    def deepest(self, threshold_: float) -> NDArray[np.int64]:
        """Return for each product the deepest level whose probability meets a threshold, -1 for none."""
        return (self.probability >= threshold_).sum(axis=1) - 1
