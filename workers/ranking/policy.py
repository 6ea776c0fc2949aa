"""The decision: assign the likeliest category, back off to an ancestor, or ask a person.

Every product gets exactly one of the three. The thresholds come from an error budget: of what is assigned, and
likewise of all that is assigned or backed off, at most ``max_error`` is wrong, each with probability ``1 - risk``
over the data that the thresholds were chosen on; likewise of what is reported beside an assignment. A top-level
category that goes beyond the budget on enough products gets a stricter threshold of its own.

Source: Learn then Test with fixed-sequence testing from several starts
(Angelopoulos et al., arXiv 2110.01052, Algorithm 1) and exact binomial p-values (Clopper and Pearson, 1934).
Backing off: hierarchical selective classification (Goren et al., arXiv 2405.11533).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Final, Self

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binom

from workers.ranking.likeliest import AncestorLevels, TopCandidates

# Shares of the products, most confident first, at which a sequence of tests starts. Every start costs the others
# part of their risk; too few surest products cannot pass a test even where all of them are right.
_STARTS: Final = (0.2, 0.6)
_STEP: Final = 0.01
# Fewer assignments under a top-level category tell too little of its own share of errors.
_ENOUGH_PRODUCTS: Final = 200
# With fewer, the bound would send to review several times as many right assignments as wrong ones.
_ENOUGH_TO_BOUND: Final = 1_000
# A candidate less likely than this is never reported beside an assignment, whatever the data say.
LEAST_ALSO: Final = 0.25
_NEVER: Final = 2.0


@dataclass(frozen=True, slots=True)
class ErrorBudget:
    """``max_error`` is the greatest share of wrong assignments; ``risk`` the chance that the bound fails."""

    max_error: float = 0.05
    risk: float = 0.05


@dataclass(frozen=True, slots=True)
class Policy:
    """Assign where the best candidate's probability is ``assign`` or more, else back off where an ancestor's
    is ``back_off`` or more, else review. A threshold above 1 is never met.

    ``assign_under`` maps top-level categories (node indices) to their own, stricter thresholds. Beside an
    assignment every other candidate is reported whose own probability of being right is ``also`` or more.
    """

    assign: float
    back_off: float
    assign_under: dict[int, float] = field(default_factory=dict)
    also: float = _NEVER

    def assigns(self, top: TopCandidates, roots: NDArray[np.int32]) -> NDArray[np.bool_]:
        """Return which of n products are assigned, bool (n,); ``roots`` int32 (n,) of the best candidates."""
        thresholds = np.full(len(roots), self.assign)
        for root, stricter in self.assign_under.items():
            thresholds[roots == root] = stricter
        return top.probability >= thresholds

    @classmethod
    def choose(
        cls,
        levels: AncestorLevels,
        truth: NDArray[np.int32],
        top: TopCandidates,
        roots: NDArray[np.int32],
        budget: ErrorBudget,
    ) -> Self:
        """Choose thresholds on decisions made out of fold.

        ``truth`` is int32 (n, depths) from the tree's ancestor matrix, -1 below the label's own depth; ``roots``
        int32 (n,) the top-level categories of the best candidates.
        """
        labels = truth[np.arange(len(truth)), (truth >= 0).sum(axis=1) - 1]
        correct = top.category == labels
        assign = threshold(top.probability, correct, budget)
        policy = cls(assign, _NEVER, _stricter(top.probability, correct, roots, assign, budget))
        assigned = policy.assigns(top, roots)
        right = (levels.category == truth) & (levels.category >= 0)
        sure = (int(assigned.sum()), int((~correct[assigned]).sum()))
        back_off = _back_off_threshold(levels.probability[~assigned], right[~assigned], sure, budget)
        return replace(policy, back_off=back_off)

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Self:
        """Read what :meth:`to_json` gave."""
        under = {int(root): float(least) for root, least in value["assign_under"].items()}
        return cls(float(value["assign"]), float(value["back_off"]), under, float(value["also"]))

    def to_json(self) -> dict[str, Any]:
        """Return what :meth:`from_json` reads."""
        return asdict(self) | {"assign_under": {str(root): least for root, least in self.assign_under.items()}}


def threshold(probability: NDArray[np.float64], right: NDArray[np.bool_], budget: ErrorBudget) -> float:
    """Return the least probability above which the share of wrong decisions keeps the budget; 2 for none."""
    order = np.argsort(-probability, kind="stable")
    wrong = np.cumsum(~right[order])

    def errors_at(count: int) -> tuple[float, int, int]:
        level = float(probability[order[count - 1]])
        # Products of equal probability are accepted together.
        accepted = int(np.searchsorted(-probability[order], -level, side="right"))
        return level, accepted, int(wrong[accepted - 1])

    return _walk(len(probability), errors_at, budget)


def _stricter(
    probability: NDArray[np.float64],
    right: NDArray[np.bool_],
    roots: NDArray[np.int32],
    assign: float,
    budget: ErrorBudget,
) -> dict[int, float]:
    """Return a threshold for each top-level category whose assignments go beyond the budget.

    The overall share of errors can only fall by it: what is no longer assigned was wrong more often than allowed.
    The share observed must do where there are less than 1,000 assignments, too few for the bound.
    """
    # As many errors as the budget expects pass a test at one half.
    observed = replace(budget, risk=0.5 * len(_STARTS))
    found = {}
    for root in np.unique(roots[probability >= assign]).tolist():
        under = roots == root
        assigned = under & (probability >= assign)
        if assigned.sum() >= _ENOUGH_PRODUCTS and (~right[assigned]).mean() > budget.max_error:
            test = budget if assigned.sum() >= _ENOUGH_TO_BOUND else observed
            found[root] = max(assign, threshold(probability[under], right[under], test))
    return found


def _back_off_threshold(
    probability: NDArray[np.float64], right: NDArray[np.bool_], sure: tuple[int, int], budget: ErrorBudget
) -> float:
    """As :func:`threshold`, where a lower threshold accepts more products and takes each deeper.

    ``sure`` is how many products are assigned already, and how many of them wrongly.
    """
    if not probability.size:
        return _NEVER
    best = np.sort(probability[:, 0])[::-1]

    def errors_at(count: int) -> tuple[float, int, int]:
        level = float(best[count - 1])
        depth = (probability >= level).sum(axis=1) - 1
        accepted = depth >= 0
        wrong = ~right[np.flatnonzero(accepted), depth[accepted]]
        return level, sure[0] + int(accepted.sum()), sure[1] + int(wrong.sum())

    return _walk(len(best), errors_at, budget)


def _walk(count: int, errors_at: Callable[[int], tuple[float, int, int]], budget: ErrorBudget) -> float:
    """Walk down from each start until a test fails; keep the lowest threshold that passed.

    ``errors_at(n)`` says of accepting the n surest: the threshold, the products accepted, those wrong.
    """
    lowest = _NEVER
    for start in _STARTS:
        for share in np.arange(start, 1.0 + _STEP / 2, _STEP):
            accepted = int(share * count)
            if accepted < 1:
                continue
            level, products, wrong = errors_at(accepted)
            if level <= 0 or binom.cdf(wrong, products, budget.max_error) > budget.risk / len(_STARTS):
                break
            lowest = min(lowest, level)
    return lowest
