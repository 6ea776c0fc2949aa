"""New stores: those that the model was fitted on few labelled products of, or none.

Confidence and thresholds are learned from products like the labelled ones. What a new store sells is not like
them, and how sure one has to be there is another question: :mod:`workers.fit.fit_new_stores` answers it, on stores
that were held out.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from workers.ranking.error_budget import NEVER, Threshold
from workers.ranking.labelled import Labelled


@dataclass(frozen=True, slots=True)
class NewStores:
    """A product is of a new store where none of its stores has ``below`` labelled products or more.

    ``assign`` and ``back_off`` are the thresholds then, in place of those of the
    :class:`~workers.ranking.policy.Policy`. A product that names no store is decided by the latter.
    """

    below: int = 0
    assign: Threshold = NEVER
    back_off: Threshold = NEVER

    def covers(self, labelled: Labelled) -> NDArray[np.bool_]:
        """Return which products are of new stores, bool (n,)."""
        return labelled.stores < self.below
