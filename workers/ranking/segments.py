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
    by_column = np.atleast_2d(values.T)
    order = np.argsort((owner << 33) - as_integers(by_column), axis=1, kind="stable")
    firsts = starts(owner)
    places = np.empty(by_column.shape, np.int64)
    np.put_along_axis(places, order, np.arange(len(owner)) - np.repeat(firsts, _sizes(firsts, owner)) + 1, axis=1)
    places = places.T.reshape(values.shape)
    places[unknown] = 0
    return places


def as_integers(values: NDArray[np.float32]) -> NDArray[np.int64]:
    """Return integers of 32 bits and a sign, in the order of the values, NaN below all.

    Source: IEEE 754-2019, 5.10: numbers of one sign are in the order of their bits. To sort by one integer takes
    half as long as by product and value.
    """
    bits = np.ascontiguousarray(values).view(np.int32).astype(np.int64)
    ordered = np.where(bits < 0, -(bits & 0x7FFFFFFF), bits)
    return np.where(np.isnan(values), -(1 << 32), ordered)


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
