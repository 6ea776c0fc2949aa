"""New stores: those that the model was fitted on few labelled products of, or none.

Confidence and thresholds are learned from products like the labelled ones. What a new store sells is not like
them, and how sure one has to be there is another question: :mod:`workers.fit.fit_new_stores` answers it, on stores
that were held out.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from workers.candidates import Candidates
from workers.ranking.error_budget import NEVER
from workers.signals.store_cooccurrence import LABELLED


@dataclass(frozen=True, slots=True)
class NewStores:
    """A product is of a new store where its stores together have fewer than ``below`` labelled products.

    ``assign`` and ``back_off`` are the thresholds then, in place of those of the
    :class:`~workers.ranking.policy.Policy`. A product that names no store is decided by the latter.
    """

    below: int = 0
    assign: float = NEVER
    back_off: float = NEVER

    def covers(self, labelled: NDArray[np.float32]) -> NDArray[np.bool_]:
        """Return which products are of new stores, bool (n,); ``labelled`` is as of :func:`labelled_of`."""
        return labelled < self.below

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Self:
        """Read what was stored by ``dataclasses.asdict``."""
        return cls(int(value["below"]), float(value["assign"]), float(value["back_off"]))


def labelled_of(candidates: Candidates) -> NDArray[np.float32]:
    """Return of each product how many labelled products of its stores the model was fitted on: float32 (n,).

    NaN where it has no store, or no signal tells.
    """
    if LABELLED not in candidates.context_names:
        return np.full(len(candidates), np.nan, np.float32)
    return candidates.context[:, candidates.context_names.index(LABELLED)]
