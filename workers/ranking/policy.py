"""The decision: assign the likeliest category, back off to an ancestor, or ask a person.

Every product gets exactly one of the three. :mod:`workers.fit.fit_policy` says what the thresholds promise.

Backing off: hierarchical selective classification (Goren et al., arXiv 2405.11533).
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any, Final, Self

import numpy as np
from numpy.typing import NDArray

from workers.candidates import Candidates
from workers.ranking.error_budget import NEVER
from workers.ranking.likeliest import AncestorLevels, TopCandidates
from workers.signals.store_cooccurrence import StoreCooccurrence

LEAST_ASSIGNED: Final = 0.5
"""An assignment more likely wrong than right is none, however much of the budget is left."""

# The logarithm of 1 more than the weight.
_LOG_STORE_WEIGHT: Final = StoreCooccurrence.context_names[0]
# Of the error that backing off may risk on a product, the part that it may risk to go deeper than the top
# level. With all of it three to five products in a hundred fewer could be backed off, out of fold on four
# catalogues.
_FOR_DEPTH: Final = 0.25


@dataclass(frozen=True, slots=True)
class Policy:
    """Assign where the best candidate's probability is ``assign`` or more; else back off where that of the
    likeliest top-level category is ``back_off`` or more; else review. A threshold above 1 is never met.

    ``assign_under`` maps top-level categories (node indices) to their own, stricter thresholds. Beside an
    assignment every other candidate is reported that is right rather than none with a probability of ``also`` or
    more.

    Whatever the probabilities, a product goes to review whose stores together weigh less than
    ``least_store_weight``: each weighs 1 for a product of it that was labelled or learned, 3 for one with a
    person's verdict. So a product without a store goes to review.
    """

    assign: float
    back_off: float
    assign_under: dict[int, float] = field(default_factory=dict)
    also: float = NEVER
    least_store_weight: float = 0.0

    def assigns(self, top: TopCandidates, roots: NDArray[np.int32]) -> NDArray[np.bool_]:
        """Return which of n products are assigned, bool (n,); ``roots`` int32 (n,) of the best candidates."""
        thresholds = np.full(len(roots), self.assign)
        for root, stricter in self.assign_under.items():
            thresholds[roots == root] = stricter
        return top.probability >= thresholds

    def level(self, levels: AncestorLevels) -> NDArray[np.int64]:
        """Return the level to back off to, int64 (n,), 0 being the top; -1 where not even that is sure enough.

        Below the top it is the deepest level that is much surer than the top has to be.
        """
        deeper = 1 - _FOR_DEPTH * (1 - self.back_off)
        enough = levels.probability[:, 0] >= self.back_off
        return np.where(enough, np.maximum(levels.deepest(deeper), 0), -1)

    def knows_store(self, candidates: Candidates) -> NDArray[np.bool_]:
        """Return of which products enough is known of their stores, bool (n,)."""
        if not self.least_store_weight:
            return np.ones(len(candidates), np.bool_)
        if _LOG_STORE_WEIGHT not in candidates.context_names:
            return np.zeros(len(candidates), np.bool_)
        weight = candidates.context[:, candidates.context_names.index(_LOG_STORE_WEIGHT)]
        return weight >= np.float32(np.log1p(self.least_store_weight))

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Self:
        """Read what :meth:`to_json` gave."""
        under = {int(root): float(least) for root, least in value["assign_under"].items()}
        also, least_store_weight = float(value["also"]), float(value["least_store_weight"])
        return cls(float(value["assign"]), float(value["back_off"]), under, also, least_store_weight)

    def to_json(self) -> dict[str, Any]:
        """Return what :meth:`from_json` reads."""
        return asdict(self) | {"assign_under": {str(root): least for root, least in self.assign_under.items()}}
