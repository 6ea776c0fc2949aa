"""Thresholds that keep an error budget: tests along sequences, from what is surest down.

Of a sequence of ever lower thresholds each is tested in turn, until one fails; the last that passed is chosen.
What is tested is that more than ``max_error`` of the decisions accepted are wrong, by the exact binomial tail.
The sequence is settled before a label is looked at, so a threshold that breaks the budget is chosen with a
probability of at most ``risk``: to choose one, the first of the sequence that breaks it has to pass.

A few wrong ones by chance among the first decisions would end a sequence where it begins, and nothing would be
decided. So there are three, which begin at ever more decisions and share the risk; the lowest threshold that any
of them found is chosen.

Near-duplicates that are wrong together count as fewer decisions than they are (:mod:`workers.design_effect`), by
an estimate from the decisions that each test is of: the surest ones may be alike where the others are not. It is
exact where none are alike.

This is said of the rule whose decisions were tested. Out of fold these are several rules, each fitted without
the products that it decides; of the rule fitted on all products it holds as far as that one is no worse than
they.

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

from workers.design_effect import design_effects, p_of_as_few

Threshold: TypeAlias = Annotated[float, Meta(ge=0)]
"""A probability from which on something is done; above 1 it never is."""

NEVER: Final = 2.0
"""A threshold that no probability meets."""

# Fewer would often fail the first test with one in a hundred wrong.
_FEWEST: Final = 200
# The part of ``max_error`` that the model expects at most of each of the decisions that a sequence starts with.
_SURER: Final = 0.2
_TESTS: Final = 400
# Where sequences begin, in times the first, and their shares of the risk: nearly always the first is enough.
_STARTS: Final = {1: 0.8, 2: 0.1, 4: 0.1}
# A sequence begins with so many times the decisions that pass a test when none of them is wrong.
_ROOM: Final = 1.5


@dataclass(frozen=True, slots=True)
class ErrorBudget:
    """``max_error`` is the greatest share of wrong assignments; ``risk`` the chance that the bound fails."""

    max_error: float = 0.05
    risk: float = 0.05


def threshold(
    probability: NDArray[np.float64], right: NDArray[np.bool_], groups: NDArray[np.int64], budget: ErrorBudget
) -> float:
    """Return the least probability above which the share of wrong decisions keeps the budget, or ``NEVER``.

    ``probability`` float64 (n,) and ``right`` bool (n,) are of decisions out of fold; those of probability 0 are
    never accepted, and count for nothing. ``groups`` int64 (n,), from 0 on, are of those that may be wrong
    together.
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
    """Return how many decisions leave room for a wrong one, were all of a group wrong together; no label tells."""
    fewest = _ROOM * math.log(budget.risk) / math.log1p(-budget.max_error)
    independent = np.arange(1, len(groups) + 1) / design_effects(groups, np.ones(len(groups)))
    return 1 + int(np.argmax(np.append(independent, np.inf) >= fewest))


def threshold_observed(probability: NDArray[np.float64], right: NDArray[np.bool_], max_error: float) -> float:
    """As :func:`threshold`, where the share of errors on these very decisions is all that is asked: no bound."""
    levels = np.unique(probability)[::-1]
    accepted, wrong = accepted_at(levels, probability, right)
    kept = np.flatnonzero((wrong <= max_error * accepted) & (levels > 0))
    return float(levels[kept[-1]]) if len(kept) else NEVER


def accepted_at(
    levels: NDArray[np.float64], probability: NDArray[np.float64], right: NDArray[np.bool_]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return how many decisions each threshold accepts, and how many of these are wrong: int64, of its shape."""
    order = np.argsort(-probability, kind="stable")
    wrong = np.concatenate([[0], np.cumsum(~right[order])])
    accepted = np.searchsorted(-probability[order], -levels, side="right")
    return accepted.astype(np.int64), wrong[accepted].astype(np.int64)


def levels_to_test(probability: NDArray[np.float64], first: int) -> NDArray[np.float64]:
    """Return thresholds in the order of their tests, float64 (tests,), from the ``first`` surest to all."""
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
    """Return the last threshold before the first that fails its test, or ``NEVER``.

    All arrays are (tests,); ``effects`` are the design effects of what is accepted.
    """
    chance = p_of_as_few(wrong, accepted, budget.max_error, effects)
    fails = (levels <= 0) | (chance > budget.risk)
    passed = int(fails.argmax()) if fails.any() else len(fails)
    return float(levels[passed - 1]) if passed else NEVER
