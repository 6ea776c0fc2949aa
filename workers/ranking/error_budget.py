"""Choose thresholds that keep an error budget, by testing sequences of thresholds from the surest decisions down.

In a sequence of ever lower thresholds, each one is tested in turn until one fails; the last one that passed is
chosen. The null hypothesis is that more than ``max_error`` of the accepted decisions are wrong; it is tested with
the exact binomial tail. The sequence is fixed before any label is looked at, so a threshold that breaks the budget
is chosen with a probability of at most ``risk``: to choose one, the first such threshold in the sequence would
have to pass.

A few decisions that are wrong by chance at the start would end a sequence where it begins, and nothing would be
decided. So there are three sequences, which start with more and more decisions and share the risk. The lowest
threshold that any of them finds is chosen.

Near-duplicates that are wrong together count as fewer decisions than they are (:mod:`workers.design_effect`). How
many fewer is estimated for each test from its own decisions, because the surest ones may be alike when the others
are not. If no decisions are alike, the test is exact.

The guarantee is for the rule whose decisions were tested. Out of fold, these are several rules, each fitted
without the products that it decides. For the rule fitted on all products, the guarantee holds as far as that rule
is no worse than they are.

Source: Learn then Test, fixed-sequence testing from several starts (Angelopoulos et al., arXiv 2110.01052); exact
binomial test (Clopper and Pearson, 1934).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Annotated, Final, TypeAlias

import numpy as np
from msgspec import Meta
from numpy.typing import NDArray

from workers.design_effect import design_effects, lower_tail

Threshold: TypeAlias = Annotated[float, Meta(ge=0)]
"""The least probability at which something is done; above 1 it is never done."""

NEVER: Final = 2.0
"""A threshold that no probability meets."""

# The fewest decisions to start with: with fewer, one wrong in a hundred would often fail the first test.
_FEWEST: Final = 200
# A sequence starts with the decisions whose expected error is at most this share of ``max_error``.
_SURER: Final = 0.2
_TESTS: Final = 400
# The start of each sequence, as a multiple of the first's, and its share of the risk. The first is nearly always
# enough.
_STARTS: Final = {1: 0.8, 2: 0.1, 4: 0.1}
# A sequence starts with at least this many times the decisions that would pass a test if none of them were wrong.
_ROOM: Final = 1.5


@dataclass(frozen=True, slots=True)
class ErrorBudget:
    """``max_error`` is the greatest share of wrong assignments, ``risk`` the probability that the bound fails."""

    max_error: float = 0.05
    risk: float = 0.05


def threshold(
    probability: NDArray[np.float64], right: NDArray[np.bool_], groups: NDArray[np.int64], budget: ErrorBudget
) -> float:
    """Return the lowest probability from which on the share of wrong decisions keeps the budget, or ``NEVER``.

    ``probability``, float64 (n,), and ``right``, bool (n,), describe out-of-fold decisions; those with probability
    0 are never accepted and are ignored. ``groups``, int64 (n,), numbered from 0, groups the decisions that may be
    wrong together.
    """
    order = np.argsort(-probability, kind="stable")
    order = order[probability[order] > 0]
    probability, right, groups = probability[order], right[order], groups[order]
    effects = np.append(1.0, design_effects(groups, probability - right))
    first = max(int((probability >= 1 - _SURER * budget.max_error).sum()), _FEWEST)
    found = []
    for times, share in _STARTS.items():
        part = replace(budget, risk=share * budget.risk)
        levels = levels_to_test(probability, max(times * first, _enough(groups, part)))
        accepted, wrong = accepted_at(levels, probability, right)
        found.append(lowest_passing(levels, accepted, wrong, effects[accepted], part))
    return min(found)


def _enough(groups: NDArray[np.int64], budget: ErrorBudget) -> int:
    """Return how many decisions a sequence must start with to leave room for a wrong one.

    It assumes that all decisions of a group are wrong together, so it does not look at the labels.
    """
    fewest = _ROOM * math.log(budget.risk) / math.log1p(-budget.max_error)
    independent = np.arange(1, len(groups) + 1) / design_effects(groups, np.ones(len(groups)))
    return 1 + int(np.argmax(np.append(independent, np.inf) >= fewest))


def threshold_observed(probability: NDArray[np.float64], right: NDArray[np.bool_], max_error: float) -> float:
    """Like :func:`threshold`, but keep the share of errors only on these very decisions, without a bound."""
    levels = np.unique(probability)[::-1]
    accepted, wrong = accepted_at(levels, probability, right)
    kept = np.flatnonzero((wrong <= max_error * accepted) & (levels > 0))
    return float(levels[kept[-1]]) if len(kept) else NEVER


def accepted_at(
    levels: NDArray[np.float64], probability: NDArray[np.float64], right: NDArray[np.bool_]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return how many decisions each level accepts and how many of these are wrong, int64 in the levels' shape."""
    order = np.argsort(-probability, kind="stable")
    wrong = np.concatenate([[0], np.cumsum(~right[order])])
    accepted = np.searchsorted(-probability[order], -levels, side="right")
    return accepted.astype(np.int64), wrong[accepted].astype(np.int64)


def levels_to_test(probability: NDArray[np.float64], first: int) -> NDArray[np.float64]:
    """Return the thresholds in test order, float64 (tests,): from the ``first`` surest decisions to all."""
    count = len(probability)
    accepted = np.linspace(min(max(first, 1), count), count, _TESTS).astype(np.intp)
    return (-np.sort(-probability))[accepted - 1] if count else np.empty(0)


def lowest_passing(
    levels: NDArray[np.float64],
    accepted: NDArray[np.int64],
    wrong: NDArray[np.int64],
    effects: NDArray[np.float64],
    budget: ErrorBudget,
) -> float:
    """Return the last threshold before the first one that fails its test, or ``NEVER``.

    All arrays are (tests,); ``effects`` are the design effects of the accepted decisions.
    """
    chance = lower_tail(wrong, accepted, budget.max_error, effects)
    fails = (levels <= 0) | (chance > budget.risk)
    passed = int(fails.argmax()) if fails.any() else len(fails)
    return float(levels[passed - 1]) if passed else NEVER
