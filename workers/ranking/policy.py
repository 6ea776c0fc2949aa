"""The decision: assign the likeliest category, back off to an ancestor, or ask a person.

Every product gets exactly one of the three. The thresholds come from an error budget: of what is assigned, and
likewise of what is backed off, at most ``max_error`` is wrong, with probability ``1 - risk`` over the data that
the thresholds were chosen on. Source: Learn then Test with fixed-sequence testing from several starts
(Angelopoulos et al., arXiv 2110.01052, Algorithm 1) and exact binomial p-values (Clopper and Pearson, 1934).
Backing off: hierarchical selective classification (Goren et al., arXiv 2405.11533).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Self

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binom

from workers.ranking.likeliest import AncestorLevels, TopCandidates

# Shares of the products, most confident first, at which a sequence of tests starts.
_STARTS: Final = (0.05, 0.2, 0.4, 0.6, 0.8)
_STEP: Final = 0.01


@dataclass(frozen=True, slots=True)
class ErrorBudget:
    """``max_error`` is the greatest share of wrong assignments; ``risk`` the chance that the bound fails."""

    max_error: float = 0.05
    risk: float = 0.05


@dataclass(frozen=True, slots=True)
class Policy:
    """Assign where the best candidate's probability is ``assign`` or more, else back off where an ancestor's
    is ``back_off`` or more, else review. A threshold above 1 is never met.
    """

    assign: float
    back_off: float

    @classmethod
    def choose(
        cls, levels: AncestorLevels, truth: NDArray[np.int32], top: TopCandidates, budget: ErrorBudget
    ) -> Self:
        """Choose thresholds on decisions made out of fold; ``truth`` int32 (n, depths) from the tree's
        ancestor matrix, -1 below the label's own depth.
        """
        labels = truth[np.arange(len(truth)), (truth >= 0).sum(axis=1) - 1]
        assign = threshold(top.probability, top.category == labels, budget)
        rest = top.probability < assign
        right = (levels.category[rest] == truth[rest]) & (levels.category[rest] >= 0)
        return cls(assign, _back_off_threshold(levels.probability[rest], right, budget))

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Self:
        """Read what was stored by ``dataclasses.asdict``."""
        return cls(float(value["assign"]), float(value["back_off"]))


def threshold(probability: NDArray[np.float64], right: NDArray[np.bool_], budget: ErrorBudget) -> float:
    """Return the least probability above which the share of wrong decisions keeps the budget; 2.0 for none."""
    order = np.argsort(-probability, kind="stable")
    wrong = np.cumsum(~right[order])

    def errors_at(count: int) -> tuple[float, int, int]:
        level = float(probability[order[count - 1]])
        # Products of equal probability are accepted together.
        accepted = int(np.searchsorted(-probability[order], -level, side="right"))
        return level, accepted, int(wrong[accepted - 1])

    return _walk(len(probability), errors_at, budget)


def _back_off_threshold(probability: NDArray[np.float64], right: NDArray[np.bool_], budget: ErrorBudget) -> float:
    """As :func:`threshold`, where a lower threshold accepts more products and takes each deeper."""
    if not probability.size:
        return 2.0
    best = np.sort(probability[:, 0])[::-1]

    def errors_at(count: int) -> tuple[float, int, int]:
        level = float(best[count - 1])
        depth = (probability >= level).sum(axis=1) - 1
        accepted = depth >= 0
        wrong = ~right[np.flatnonzero(accepted), depth[accepted]]
        return level, int(accepted.sum()), int(wrong.sum())

    return _walk(len(best), errors_at, budget)


def _walk(count: int, errors_at: Callable[[int], tuple[float, int, int]], budget: ErrorBudget) -> float:
    """Walk down from each start until a test fails; keep the lowest threshold that passed.

    ``errors_at(n)`` says of accepting the n surest: the threshold, the products accepted, those wrong.
    """
    lowest = 2.0
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
