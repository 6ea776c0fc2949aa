"""Statistics of earlier products for which the signals supported the same category most."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load_file

from workers.arrays.pairs import pair_keys
from workers.arrays.segments import find, groups
from workers.arrays.stored import require, require_ascending

# The prior: how many products it counts as, and which share of them was in the most supported category.
_BELIEF_PRODUCTS: Final = 4.0
_BELIEF_RIGHT: Final = 0.6
_LEAST_SHARE: Final = 1e-4


@dataclass(frozen=True, slots=True, eq=False)
class TrackRecord:
    """Counts how often products were in the category that the signals supported most, or in another one.

    Some categories are easily confused or carelessly labelled. There, agreement between signals is worth less than
    elsewhere, and the other candidate is worth more. Source: a confusion matrix, smoothed with a Dirichlet prior.

    Attributes:
        pairs: int64 (k,), ascending, the most supported and the right category, as ``pair_keys``.
        counts: float32 (k,), the number of products of each pair.
        totals: float32 (nodes,), the number of products for which each node was the most supported.
        priors: float32 (nodes,), each category's share of the labelled products.
    """

    pairs: NDArray[np.int64]
    counts: NDArray[np.float32]
    totals: NDArray[np.float32]
    priors: NDArray[np.float32]

    @classmethod
    def fit(cls, supported: NDArray[np.int32], labels: NDArray[np.int32], priors: NDArray[np.float32]) -> Self:
        """Count n products by most supported category, int32 (n,), -1 for none, and right category, int32 (n,)."""
        known = supported >= 0
        supported, labels = supported[known], labels[known]
        pairs, index = groups(pair_keys(supported.astype(np.int64), labels))
        counts = np.bincount(index, minlength=len(pairs)).astype(np.float32)
        totals = np.bincount(supported, minlength=len(priors)).astype(np.float32)
        return cls(pairs, counts, totals, priors)

    @classmethod
    def load(cls, file: Path, nodes: int) -> Self:
        """Read stored counts; raises :class:`ValueError` if they do not fit a tree of ``nodes`` nodes."""
        found = cls(**load_file(file))
        require(f"{file.name}: pairs", found.pairs, np.int64, None)
        require_ascending(f"{file.name}: pairs", found.pairs)
        require(f"{file.name}: counts", found.counts, np.float32, len(found.pairs))
        require(f"{file.name}: totals", found.totals, np.float32, nodes)
        require(f"{file.name}: priors", found.priors, np.float32, nodes)
        return found

    def log_share(self, supported: NDArray[np.int32], categories: NDArray[np.int32]) -> NDArray[np.float32]:
        """Return the log share of products with the same most supported category that were in the row's category.

        The result is float32 (m,), one value per row. ``supported``, int32 (m,), is the most supported category of
        each row's product, ``categories``, int32 (m,), the row's own category.
        """
        belief = np.where(
            supported == categories,
            np.float32(_BELIEF_RIGHT),
            np.float32(1 - _BELIEF_RIGHT) * self.priors[categories] + np.float32(_LEAST_SHARE),
        )
        counted = self._count(supported, categories) + np.float32(_BELIEF_PRODUCTS) * belief
        share: NDArray[np.float32] = np.log(counted / (self.totals[supported] + np.float32(_BELIEF_PRODUCTS)))
        return share

    def log_products(self, supported: NDArray[np.int32]) -> NDArray[np.float32]:
        """Return log(1 + the number of products with this most supported category), float32 (m,)."""
        return np.log1p(self.totals[supported])

    def _count(self, supported: NDArray[np.int32], categories: NDArray[np.int32]) -> NDArray[np.float32]:
        found = np.zeros(len(categories), np.float32)
        index, hit = find(self.pairs, pair_keys(supported.astype(np.int64), categories))
        found[hit] = self.counts[index[hit]]
        return found
