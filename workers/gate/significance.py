"""Paired significance tests that tell a fall from noise."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binom

Floats = NDArray[np.float64]


def p_of_fall(difference: float, replicated: Floats) -> float:
    """Return the one-sided p-value: the probability of a difference this low if the true one is not below 0.

    The bootstrap replicates are shifted to a mean of 0 (Hall and Wilson, Two guidelines for bootstrap hypothesis
    testing, Biometrics 47, 1991). Returns 1.0 if there is nothing to compare.
    """
    known = replicated[np.isfinite(replicated)]
    if not np.isfinite(difference) or not len(known):
        return 1.0
    # A difference that is only rounding counts as none.
    moved = known - known.mean()
    return float((1 + np.count_nonzero(moved <= difference + 1e-12)) / (1 + len(known)))


def sign_test(worse: int, better: int) -> float:
    """Return the one-sided exact p-value of McNemar's test: this few or fewer ``better`` of all that changed."""
    return float(binom.cdf(better, worse + better, 0.5))


def holm(p_values: Floats, level: float) -> NDArray[np.bool_]:
    """Return which hypotheses are rejected, bool (k,); any is rejected falsely with probability at most ``level``.

    Source: Holm, A simple sequentially rejective multiple test procedure, 1979.
    """
    order = np.argsort(p_values, kind="stable")
    passed = p_values[order] <= level / (len(p_values) - np.arange(len(p_values)))
    rejected = np.zeros(len(p_values), bool)
    rejected[order[: np.argmin(passed) if not passed.all() else len(order)]] = True
    return rejected


def able_to_reject(least: Floats, level: float) -> NDArray[np.bool_]:
    """Return which hypotheses can be rejected at all, bool (k,); ``least`` are their smallest possible p-values.

    The others do not count towards the number that is corrected for (Tarone, Biometrics 46, 1990).
    """
    for count in range(1, len(least) + 1):
        able = least <= level / count
        if able.sum() <= count:
            return np.asarray(able)
    return np.zeros(len(least), bool)
