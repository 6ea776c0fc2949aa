"""How much of their paths two categories share, and precision, recall and F1 based on that.

Source: Kiritchenko, Matwin, Nock and Famili, "Learning and evaluation in the presence of class hierarchies"
(2006). A category stands for the set of its ancestors, including itself. A virtual root above the top-level
categories is not counted, because it would be right for every product.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from schemas.taxonomy.tree import Taxonomy
from workers.evaluation.numbers import ratio

_ROUNDS: Final = 20


def depth_of(taxonomy: Taxonomy, nodes: NDArray[np.int32]) -> NDArray[np.int64]:
    """Return the depth of each node, int64 (n,): 1 for a top-level category, 0 for -1 (no category)."""
    return np.where(nodes >= 0, taxonomy.depths[nodes], 0).astype(np.int64)


def shared_depth(taxonomy: Taxonomy, left: NDArray[np.int32], right: NDArray[np.int32]) -> NDArray[np.int64]:
    """Return how many ancestors (including themselves) each pair of nodes shares: int64 (n,), 0 if one is -1."""
    same = taxonomy.ancestor_matrix[left] == taxonomy.ancestor_matrix[right]
    same &= taxonomy.ancestor_matrix[left] >= 0
    return np.where((left >= 0) & (right >= 0), same.sum(axis=1), 0).astype(np.int64)


def is_prefix(taxonomy: Taxonomy, nodes: NDArray[np.int32], of: NDArray[np.int32]) -> NDArray[np.bool_]:
    """Return whether each node equals the other or is an ancestor of it: bool (n,), false for -1."""
    return (nodes >= 0) & (shared_depth(taxonomy, nodes, of) == depth_of(taxonomy, nodes))


def best_fitting(
    owner: NDArray[np.int64], shared: NDArray[np.int64], true: NDArray[np.int64], predicted: NDArray[np.int64]
) -> NDArray[np.intp]:
    """Return, for each of n products, the row of the acceptable label that makes the pooled F1 largest.

    ``owner`` int64 (m,) is the product of each row, ascending; each product occurs at least once. ``shared`` and
    ``true`` int64 (m,) are the sizes of the intersection and of the label's set; ``predicted`` is int64 (n,). The
    pooled F1 is a ratio of sums, so the best choice for each product separately is not the best overall.
    Dinkelbach's method ("On nonlinear fractional programming", 1967) finds that in a few rounds, so the lenient
    figure is never below the strict one.
    """
    starts = np.flatnonzero(np.diff(owner, prepend=-1))
    chosen = starts
    pooled = -1.0
    for _ in range(_ROUNDS):
        total = predicted.sum() + true[chosen].sum()
        value = 2.0 * shared[chosen].sum() / total if total else 0.0
        if value <= pooled:
            break
        pooled = value
        order = np.lexsort((-(2.0 * shared - pooled * true), owner))
        chosen = order[starts]
    return chosen


def per_level(taxonomy: Taxonomy, labels: NDArray[np.int32], predicted: NDArray[np.int32]) -> list[dict[str, Any]]:
    """Return precision, recall and F1 at each depth, pooled over products, the top level first.

    ``n`` counts the products whose label reaches that depth; categories that do not reach a depth are not counted.
    """
    true = depth_of(taxonomy, labels)
    said = depth_of(taxonomy, predicted)
    shared = shared_depth(taxonomy, labels, predicted)
    found = []
    for depth in range(1, int(true.max(initial=0)) + 1):
        right, reached, spoken = ((values >= depth).sum() for values in (shared, true, said))
        found.append(
            {
                "depth": depth,
                "n": int(reached),
                "precision": ratio(right, spoken),
                "recall": ratio(right, reached),
                "f1": ratio(2 * right, reached + spoken),
            }
        )
    return found
