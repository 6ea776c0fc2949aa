"""What is asked of a decision on a product whose stores the model saw few labelled products of.

Confidence and thresholds are learned from products like the labelled ones. What a store sells that the model never
saw is not like them, and how sure one has to be there is another question: :mod:`workers.fit.fit_store_thresholds`
answers it, on stores that were held out.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from workers.candidates import Candidates
from workers.ranking.likeliest import AncestorLevels, TopCandidates
from workers.signals.store_cooccurrence import LABELLED


@dataclass(frozen=True, slots=True)
class StoreThresholds:
    """Stricter thresholds for products of stores with fewer labelled products than ``below``, ascending.

    ``assign`` and ``back_off`` are, for each bound and down to the one before it, the least probability of what is
    assigned, and of the top-level category of what is backed off. Without bounds nothing is asked; nor is it of a
    product without a store.
    """

    below: tuple[int, ...] = ()
    assign: tuple[float, ...] = ()
    back_off: tuple[float, ...] = ()

    def hold_back(
        self, top: TopCandidates, levels: AncestorLevels, labelled: NDArray[np.float32]
    ) -> tuple[TopCandidates, AncestorLevels]:
        """Return both with a probability of 0 where it is less than asked: no threshold is met then.

        ``labelled`` float32 (n,) are the labelled products of the stores of each product, as :func:`labelled_of`.
        """
        # NaN is sorted behind all bounds.
        band = np.searchsorted(self.below, labelled, side="right")
        assign = np.append(self.assign, 0.0)[band]
        back_off = np.append(self.back_off, 0.0)[band]
        of_leaf = np.where(top.probability >= assign, top.probability, 0.0)
        of_levels = np.where(levels.probability[:, :1] >= back_off[:, None], levels.probability, 0.0)
        return TopCandidates(top.row, top.category, of_leaf), AncestorLevels(levels.category, of_levels)

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Self:
        """Read what was stored by ``dataclasses.asdict``."""
        return cls(tuple(value["below"]), tuple(value["assign"]), tuple(value["back_off"]))


def labelled_of(candidates: Candidates) -> NDArray[np.float32]:
    """Return of each product how many labelled products of its stores the model was fitted on: float32 (n,).

    NaN where it has no store, or no signal tells.
    """
    if LABELLED not in candidates.context_names:
        return np.full(len(candidates), np.nan, np.float32)
    return candidates.context[:, candidates.context_names.index(LABELLED)]
