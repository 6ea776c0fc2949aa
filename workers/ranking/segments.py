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
    """Return each row's place in its product by falling value, 1 being first; 0 where the value is NaN.

    ``values`` is float32 (m,) or, each column for itself, (m, columns); the places are of its shape.
    """
    unknown = np.isnan(values)
    columns = owner if values.ndim == 1 else np.broadcast_to(owner[:, None], values.shape)
    order = np.lexsort((np.where(unknown, np.inf, -values), columns), axis=0)
    firsts = starts(owner)
    place = np.arange(len(owner)) - np.repeat(firsts, _sizes(firsts, owner)) + 1
    places = np.empty(values.shape, np.int64)
    np.put_along_axis(places, order, place if values.ndim == 1 else place[:, None], axis=0)
    places[unknown] = 0
    return places


def maximum(values: NDArray[_Floating], owner: NDArray[np.int64]) -> NDArray[_Floating]:
    """Return for each row the greatest value of its product; NaN counts as minus infinity.

    ``values`` is (m,) or, each column for itself, (m, columns).
    """
    firsts = starts(owner)
    if not len(firsts):
        return values
    greatest = np.maximum.reduceat(np.where(np.isnan(values), -np.inf, values), firsts, axis=0)
    return np.repeat(greatest.astype(values.dtype), _sizes(firsts, owner), axis=0)


def _sizes(firsts: NDArray[np.int64], owner: NDArray[np.int64]) -> NDArray[np.int64]:
    return np.diff(np.append(firsts, len(owner)))


def total(values: NDArray[np.float64], keys: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return for each row the sum of values of all rows with its key; keys are int64 (m,) in any order."""
    _, inverse = np.unique(keys, return_inverse=True)
    return np.bincount(inverse, weights=values)[inverse].astype(np.float64)
