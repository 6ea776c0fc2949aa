"""Tail probabilities of the number of wrong decisions when some of them are wrong together.

Near-duplicates are not independent observations. The design effect says how much less the decisions tell because
of that. It is estimated from the decisions themselves: the variance of their sum, divided by what it would be if
they were independent (Rao and Scott, "A simple method for the analysis of clustered binary data", Biometrics 48,
1992). Counts are divided by it, and the tail is that of the beta distribution, which equals the binomial's if the
counts are integers (Korn and Graubard, "Confidence intervals for proportions with small expected number of
positive counts", Survey Methodology 24, 1998).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import betainc

from workers.arrays.segments import position_in_group

Floats = NDArray[np.float64]


def design_effect(groups: NDArray[np.int64], surprise: Floats) -> float:
    """Return the design effect, at least 1.

    ``groups`` int64 (n,), numbered from 0, says which decisions may be wrong together. ``surprise`` float64 (n,)
    is 1 for a wrong decision and 0 for a right one, minus the probability that it is wrong.
    """
    alone = np.square(surprise).sum()
    return max(1.0, float(np.square(np.bincount(groups, surprise)).sum() / alone)) if alone > 0 else 1.0


def design_effects(groups: NDArray[np.int64], surprise: Floats) -> Floats:
    """Return the design effect of the first decision, of the first two, and so on: float64 (n,), at least 1.

    The arguments are those of :func:`design_effect`; the decisions are in the order in which they are accepted.
    """
    order = np.argsort(groups, kind="stable")
    ordered = surprise[order]
    before = np.cumsum(ordered) - ordered
    of_group = before - before[np.arange(len(groups)) - position_in_group(groups[order])]
    # With each of its decisions, the square of a group's sum grows by this.
    grows = np.empty(len(groups))
    grows[order] = ordered * (ordered + 2 * of_group)
    alone = np.cumsum(np.square(surprise))
    return np.maximum(1.0, np.divide(np.cumsum(grows), alone, out=np.ones(len(groups)), where=alone > 0))


def upper_tail(wrong: Any, decisions: Any, share: float, effect: Any = 1.0) -> Any:
    """Return the chance of ``wrong`` or more errors among ``decisions``, each wrong with probability ``share``.

    The arguments are numbers, or arrays of one shape; counts are divided by ``effect``.
    """
    wrong, decisions = np.asarray(wrong) / effect, np.asarray(decisions) / effect
    return np.where(wrong > 0, betainc(np.maximum(wrong, 1e-300), decisions - wrong + 1, share), 1.0)


def lower_tail(wrong: Any, decisions: Any, share: float, effect: Any = 1.0) -> Any:
    """Return the chance of ``wrong`` or fewer errors among ``decisions``, each wrong with probability ``share``.

    The arguments are numbers, or arrays of one shape; counts are divided by ``effect``.
    """
    return upper_tail(np.asarray(decisions) - wrong, decisions, 1 - share, effect)
