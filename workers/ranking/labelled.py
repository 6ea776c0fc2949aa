"""How well a model knows the stores and the brand of a product: by the labelled products that it was fitted on.

What the stream has learned of them since does not count: most of it are the model's own decisions.
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
    """The labelled products of each product's ``stores``, of the one that has most, and of its ``brand``.

    Both are float32 (n,); NaN where a product has no store or no brand, or no signal tells.
    """

    stores: NDArray[np.float32]
    brand: NDArray[np.float32]

    @classmethod
    def of(cls, candidates: Candidates) -> Self:
        """Return what the signals counted."""
        return cls(_column(candidates, StoreCooccurrence.name), _column(candidates, BrandFrequency.name))

    @property
    def new_brand(self) -> NDArray[np.bool_]:
        """Which products are of a *new brand*, one without a labelled product: bool (n,)."""
        return self.brand == 0

    def take(self, chosen: NDArray[np.bool_]) -> Labelled:
        """Return those of some of the products, bool (n,)."""
        return Labelled(self.stores[chosen], self.brand[chosen])


def _column(candidates: Candidates, signal: str) -> NDArray[np.float32]:
    name = signal + LABELLED
    if name not in candidates.context_names:
        return np.full(len(candidates), np.nan, np.float32)
    return candidates.context[:, candidates.context_names.index(name)]
