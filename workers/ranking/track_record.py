"""What became of earlier products on which the signals agreed as they do on this one."""

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

# What is believed before there are any products, and how many of them that belief is worth.
_BELIEF_PRODUCTS: Final = 4.0
_BELIEF_RIGHT: Final = 0.6
_LEAST_SHARE: Final = 1e-4


@dataclass(frozen=True, slots=True, eq=False)
class TrackRecord:
    """How often products for which the signals supported one category most were in it, or in another.

    Some categories are taken for each other, or are labelled without care: then agreement is worth less than
    elsewhere, and the other candidate more. Source: a confusion matrix, smoothed with a Dirichlet prior.

    Attributes:
        pairs: int64 (k,), ascending: the most supported category and the right one, by ``pair_keys``.
        counts: float32 (k,), how many products each pair had.
        totals: float32 (nodes,), of how many products each node was the most supported.
        priors: float32 (nodes,), each category's share of the labelled products.
    """

    pairs: NDArray[np.int64]
    counts: NDArray[np.float32]
    totals: NDArray[np.float32]
    priors: NDArray[np.float32]

    @classmethod
    def fit(cls, supported: NDArray[np.int32], labels: NDArray[np.int32], priors: NDArray[np.float32]) -> Self:
        """Count n products: ``supported`` int32 (n,), -1 for none, is the most supported, ``labels`` the right."""
        known = supported >= 0
        supported, labels = supported[known], labels[known]
        pairs, places = groups(pair_keys(supported.astype(np.int64), labels))
        counts = np.bincount(places, minlength=len(pairs)).astype(np.float32)
        totals = np.bincount(supported, minlength=len(priors)).astype(np.float32)
        return cls(pairs, counts, totals, priors)

    @classmethod
    def load(cls, file: Path, nodes: int) -> Self:
        """Read what was stored of a tree of so many nodes; raises :class:`ValueError` for anything else."""
        found = cls(**load_file(file))
        require(f"{file.name}: pairs", found.pairs, np.int64, None)
        require_ascending(f"{file.name}: pairs", found.pairs)
        require(f"{file.name}: counts", found.counts, np.float32, len(found.pairs))
        require(f"{file.name}: totals", found.totals, np.float32, nodes)
        require(f"{file.name}: priors", found.priors, np.float32, nodes)
        return found

    def log_share(self, supported: NDArray[np.int32], categories: NDArray[np.int32]) -> NDArray[np.float32]:
        """Return of each of m rows the logarithm of the share of such products that were in its category.

        ``supported`` is int32 (m,), the most supported category of each row's product, ``categories`` int32 (m,).
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
        """Return the logarithm of 1 more than the number of such products, float32 (m,)."""
        return np.log1p(self.totals[supported])

    def _count(self, supported: NDArray[np.int32], categories: NDArray[np.int32]) -> NDArray[np.float32]:
        found = np.zeros(len(categories), np.float32)
        places, hit = find(self.pairs, pair_keys(supported.astype(np.int64), categories))
        found[hit] = self.counts[places[hit]]
        return found
