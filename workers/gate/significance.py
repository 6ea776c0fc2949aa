"""Tests that tell a fall from noise, on the same products."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binom

Floats = NDArray[np.float64]


def p_of_fall(difference: float, replicated: Floats) -> float:
    """Return the one-sided p-value of a difference as low as this were the true one not below 0.

    The replicates are moved to 0 for it (Hall and Wilson, Two guidelines for bootstrap hypothesis testing,
    Biometrics 47, 1991). 1.0 where there is nothing to compare.
    """
    known = replicated[np.isfinite(replicated)]
    if not np.isfinite(difference) or not len(known):
        return 1.0
    # A difference of nothing but rounding is none.
    moved = known - known.mean()
    return float((1 + np.count_nonzero(moved <= difference + 1e-12)) / (1 + len(known)))


def sign_test(worse: int, better: int) -> float:
    """Return the one-sided exact p-value of McNemar's test: as few ``better`` of all that changed."""
    return float(binom.cdf(better, worse + better, 0.5))


def holm(p_values: Floats, level: float) -> NDArray[np.bool_]:
    """Return which hypotheses are rejected, bool (k,), with a chance of at most ``level`` of any false rejection.

    Source: Holm, A simple sequentially rejective multiple test procedure, 1979.
    """
    order = np.argsort(p_values, kind="stable")
    passed = p_values[order] <= level / (len(p_values) - np.arange(len(p_values)))
    rejected = np.zeros(len(p_values), bool)
    rejected[order[: np.argmin(passed) if not passed.all() else len(order)]] = True
    return rejected


def able_to_reject(least: Floats, level: float) -> NDArray[np.bool_]:
    """Return which hypotheses can be rejected at all, bool (k,), ``least`` being their least possible p-values.

    The others need no correction: their number does not count (Tarone, Biometrics 46, 1990).
    """
    for count in range(1, len(least) + 1):
        able = least <= level / count
        if able.sum() <= count:
            return np.asarray(able)
    return np.zeros(len(least), bool)
