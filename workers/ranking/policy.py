"""The decision: assign the likeliest category, back off to an ancestor, or ask a person.

Every product gets exactly one of the three. :mod:`workers.fit.fit_policy` documents what the thresholds guarantee.

Source for backing off: hierarchical selective classification (Goren et al., arXiv 2405.11533).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from workers.ranking.error_budget import NEVER, Threshold
from workers.ranking.labelled import Labelled
from workers.ranking.likeliest import AncestorLevels, TopCandidates
from workers.ranking.new_stores import NewStores

LEAST_ASSIGNED: Final = 0.5
"""An assignment that is more likely wrong than right is never made, however much of the budget is left."""

# The share of the error allowed for backing off that may be spent on going below the top level. If it were 1,
# three to five fewer products in a hundred could be backed off, out of fold on four catalogues.
_FOR_DEPTH: Final = 0.25


class Decided(NamedTuple):
    """Which of n products are assigned, bool (n,), and the level to which each of the others is backed off.

    ``level``, int64 (n,), is -1 for review. ``held_back_for_new_store``, bool (n,), marks products that need
    review only because their stores are new.
    """

    assigned: NDArray[np.bool_]
    level: NDArray[np.int64]
    held_back_for_new_store: NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Policy:
    """The thresholds of the decision; a threshold above 1 is never met.

    A product is assigned if its best candidate's probability is at least ``assign``. Otherwise it is backed off if
    the probability of its likeliest top-level category is at least ``back_off``, and else reviewed.

    ``assign_under`` maps top-level categories (node indices) to their own, stricter thresholds. A product of a new
    brand (:class:`~workers.ranking.labelled.Labelled`) must also reach ``assign_new_brands`` to be assigned.
    Besides an assignment, every other candidate is reported that is right rather than none with a probability of
    at least ``also``.

    For products of new stores, the thresholds in ``new_stores`` replace all these.
    """

    assign: Threshold
    back_off: Threshold
    assign_under: dict[int, Threshold] = field(default_factory=dict)
    assign_new_brands: Threshold = 0.0
    also: Threshold = NEVER
    new_stores: NewStores = field(default_factory=NewStores)

    def decide(
        self, top: TopCandidates, levels: AncestorLevels, roots: NDArray[np.int32], labelled: Labelled
    ) -> Decided:
        """Decide n products; ``roots``, int32 (n,), are the top-level categories of the best candidates."""
        assigned, level = self.assigns(top, roots, labelled), self.level(levels)
        new = self.new_stores.covers(labelled)
        if not new.any():
            return Decided(assigned, level, new)
        there = Policy(self.new_stores.assign, self.new_stores.back_off)
        assigned_there, level_there = there.assigns(top, roots, labelled), there.level(levels)
        held_back = new & (assigned | (level >= 0)) & ~assigned_there & (level_there < 0)
        return Decided(np.where(new, assigned_there, assigned), np.where(new, level_there, level), held_back)

    def assigns(self, top: TopCandidates, roots: NDArray[np.int32], labelled: Labelled) -> NDArray[np.bool_]:
        """Return which of n products are assigned, bool (n,), leaving ``new_stores`` aside."""
        thresholds = np.full(len(roots), self.assign)
        for root, stricter in self.assign_under.items():
            thresholds[roots == root] = stricter
        thresholds[labelled.new_brand] = np.maximum(thresholds[labelled.new_brand], self.assign_new_brands)
        return top.probability >= thresholds

    def level(self, levels: AncestorLevels) -> NDArray[np.int64]:
        """Return the level to back off to, int64 (n,), 0 being the top, leaving ``new_stores`` aside.

        It is -1 if not even the top is sure enough. A level below the top must be much surer than the top has to
        be; the deepest such level is chosen.
        """
        deeper = 1 - _FOR_DEPTH * (1 - self.back_off)
        enough = levels.probability[:, 0] >= self.back_off
        return np.where(enough, np.maximum(levels.deepest(deeper), 0), -1)
