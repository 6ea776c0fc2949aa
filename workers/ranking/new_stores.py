"""New stores: stores with few or no labelled products among those that the model was fitted on.

Confidence and thresholds are learned from products like the labelled ones. The products of a new store differ from
these, so they need separate thresholds: :mod:`workers.fit.fit_new_stores` finds them on held-out stores.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from workers.ranking.error_budget import NEVER, Threshold
from workers.ranking.labelled import Labelled


@dataclass(frozen=True, slots=True)
class NewStores:
    """The thresholds for products of new stores: each of their stores has fewer than ``below`` labelled products.

    For these products, ``assign`` and ``back_off`` replace the thresholds of the
    :class:`~workers.ranking.policy.Policy`. The policy's own thresholds apply to products without a store.
    """

    below: int = 0
    assign: Threshold = NEVER
    back_off: Threshold = NEVER

    def covers(self, labelled: Labelled) -> NDArray[np.bool_]:
        """Return which products are of new stores, bool (n,)."""
        return labelled.stores < self.below
