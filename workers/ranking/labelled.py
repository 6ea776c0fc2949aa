"""How well the model knows a product's stores and brand, measured by the labelled products it was fitted on.

What the stream has learned since does not count, because most of it comes from the model's own decisions.
"""

from __future__ import annotations

from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from workers.recall.candidates import Candidates
from workers.signals.brand_frequency import BrandFrequency
from workers.signals.live_counts import LABELLED
from workers.signals.store_cooccurrence import StoreCooccurrence


class Labelled(NamedTuple):
    """The number of labelled products of each product's ``stores`` and ``brand``, both float32 (n,).

    For ``stores``, it is that of the store with the most labelled products. The values are NaN if a product has no
    store or no brand, or if no signal provides them.
    """

    stores: NDArray[np.float32]
    brand: NDArray[np.float32]

    @classmethod
    def of(cls, candidates: Candidates) -> Self:
        """Read the numbers from the context of the candidates."""
        return cls(_column(candidates, StoreCooccurrence.name), _column(candidates, BrandFrequency.name))

    @property
    def new_brand(self) -> NDArray[np.bool_]:
        """Which products have a *new brand*, that is one without labelled products: bool (n,)."""
        return self.brand == 0

    def take(self, chosen: NDArray[np.bool_]) -> Labelled:
        """Return the numbers of only the ``chosen`` products, bool (n,)."""
        return Labelled(self.stores[chosen], self.brand[chosen])


def _column(candidates: Candidates, signal: str) -> NDArray[np.float32]:
    name = signal + LABELLED
    if name not in candidates.context_names:
        return np.full(len(candidates), np.nan, np.float32)
    return candidates.context[:, candidates.context_names.index(name)]
