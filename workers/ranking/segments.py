"""Vectorised work on rows that belong to products, product by product.

Everywhere ``owner`` is int64 (m,), the product of each row, ascending.
"""

from __future__ import annotations

from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

_Floating = TypeVar("_Floating", bound=np.floating)


def starts(owner: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the first row of each product that has rows: int64 (products with rows,)."""
    return np.flatnonzero(np.diff(owner, prepend=-1)).astype(np.int64)


def ranks(values: NDArray[np.float32], owner: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return each row's place in its product by falling value, 1 being first; 0 where the value is NaN."""
    order = np.lexsort((-np.nan_to_num(values, nan=-np.inf), owner))
    firsts = starts(owner)
    sizes = np.diff(np.append(firsts, len(owner)))
    places = np.empty(len(owner), np.int64)
    places[order] = np.arange(len(owner)) - np.repeat(firsts, sizes) + 1
    places[np.isnan(values)] = 0
    return places


def maximum(values: NDArray[_Floating], owner: NDArray[np.int64]) -> NDArray[_Floating]:
    """Return for each row the greatest value of its product; NaN counts as minus infinity."""
    firsts = starts(owner)
    greatest = np.maximum.reduceat(np.nan_to_num(values, nan=-np.inf), firsts) if len(firsts) else values
    return np.repeat(greatest, np.diff(np.append(firsts, len(owner))))


def total(values: NDArray[np.float64], keys: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return for each row the sum of values of all rows with its key; keys are int64 (m,) in any order."""
    _, inverse = np.unique(keys, return_inverse=True)
    return np.bincount(inverse, weights=values)[inverse].astype(np.float64)
