"""Find the likeliest candidate of each product, and the likeliest ancestor at every depth."""

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

    ``row``, int64 (n,), is its row among the candidates, ``category``, int32 (n,), its node, and ``probability``,
    float64 (n,), its probability. For a product without candidates, they are -1, -1 and 0.
    """

    row: NDArray[np.int64]
    category: NDArray[np.int32]
    probability: NDArray[np.float64]

    @classmethod
    def of(cls, candidates: Candidates, probability: NDArray[np.float64]) -> Self:
        """Find the likeliest candidates; among equal ones, the first in the order of the tree's nodes."""
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
    """The likeliest node for each product and depth, by the summed probability of the candidates in its subtree.

    ``category`` is int32 (n, depths), -1 if no candidate is that deep. ``probability`` is float64 (n, depths) and
    never rises with depth.
    """

    category: NDArray[np.int32]
    probability: NDArray[np.float64]

    @classmethod
    def of(cls, candidates: Candidates, probability: NDArray[np.float64], ancestors: NDArray[np.int32]) -> Self:
        """Sum the candidates' probabilities up the tree; ``ancestors``, int32, is the tree's ancestor matrix."""
        depths = ancestors.shape[1]
        category = np.full((len(candidates), depths), -1, np.int32)
        best = np.zeros((len(candidates), depths))
        nodes = ancestors[candidates.categories].T
        depth, row = np.nonzero(nodes >= 0)
        level = depth * len(candidates) + candidates.product_of_row[row]
        keys, index = segments.groups(pair_keys(level, nodes[depth, row]))
        mass = np.bincount(index, weights=probability[row], minlength=len(keys)).astype(np.float64, copy=False)
        likeliest = segments.first_greatest(mass, segments.starts(keys >> 32))
        levels, categories = pairs_of(keys[likeliest])
        depth, product = np.divmod(levels, max(1, len(candidates)))
        category[product, depth] = categories
        best[product, depth] = mass[likeliest]
        return cls(category, np.minimum.accumulate(best, axis=1))

    def above(self, nodes: NDArray[np.int32]) -> AncestorLevels:
        """Return only the levels above ``nodes``, int32 (n,): backing off from a node must not end at the node."""
        reached = np.logical_or.accumulate(self.category == nodes[:, None], axis=1)
        return AncestorLevels(np.where(reached, -1, self.category), np.where(reached, 0.0, self.probability))

    def deepest(self, threshold_: float) -> NDArray[np.int64]:
        """Return for each product the deepest level whose probability meets a threshold, -1 if none does."""
        return (self.probability >= threshold_).sum(axis=1) - 1
