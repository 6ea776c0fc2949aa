"""Vectorised operations on rows grouped by product.

In all functions, ``owner`` is int64 (m,), the product of each row, ascending. The rows of a product are its group.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

# The bits of as_integers: 32 and a sign.
_VALUE_BITS: Final = 33
_MOST_BITS: Final = 62


def changes(keys: NDArray[np.integer]) -> NDArray[np.bool_]:
    """Return whether each of the keys (m,) differs from the one before it, bool (m,); True for the first."""
    changed = np.ones(len(keys), np.bool_)
    np.not_equal(keys[1:], keys[:-1], out=changed[1:])
    return changed


def starts(owner: NDArray[np.integer]) -> NDArray[np.int64]:
    """Return the first row of each product that has rows: int64 (products with rows,)."""
    return np.flatnonzero(changes(owner)).astype(np.int64, copy=False)


def groups(keys: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the distinct keys, ascending, and the index of each key among them, int64 (m,)."""
    order = np.argsort(keys, kind="stable")
    ordered = keys[order]
    first = changes(ordered)
    index = np.empty(len(keys), np.int64)
    index[order] = np.cumsum(first) - 1
    return ordered[first], index


def find(keys: NDArray[np.integer], wanted: NDArray[np.integer]) -> tuple[NDArray[np.intp], NDArray[np.bool_]]:
    """Look up the ``wanted`` keys (m,) in ``keys`` (k,), ascending.

    Returns the index of each wanted key, intp (m,), and whether it was found, bool (m,). If it was not found, the
    index is that of another key, or 0 if there are no keys.
    """
    if not len(keys):
        return np.zeros(len(wanted), np.intp), np.zeros(len(wanted), np.bool_)
    index = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
    return index, keys[index] == wanted


def position_in_group(owner: NDArray[np.integer]) -> NDArray[np.intp]:
    """Return the position of each row within its product, from 0: intp (m,)."""
    first = changes(owner)
    return np.arange(len(owner)) - np.flatnonzero(first)[np.cumsum(first) - 1]


def first_greatest(values: NDArray[np.float64], firsts: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the row of the greatest value of each segment, the first one among equal values.

    Segments begin at the rows ``firsts``; none is empty, and the first begins at 0. ``values`` (m,) has no NaN.
    """
    if not len(firsts):
        return firsts
    segment = np.zeros(len(values), np.int64)
    segment[firsts[1:]] = 1
    segment = np.cumsum(segment)
    greatest = np.flatnonzero(values == np.maximum.reduceat(values, firsts)[segment])
    return greatest[changes(segment[greatest])]


def argsort_within_groups(values: NDArray[np.float32], owner: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the rows sorted by product, then by falling value, NaN last: int64 (m,) or (columns, m).

    ``values`` is float32 (m,), or (m, columns) to sort by each column separately. Among equal values, the first
    row comes first.
    """
    keys = (owner << _VALUE_BITS) - as_integers(values.T)
    position = position_in_group(owner)
    bits = int(position.max(initial=0)).bit_length()
    if len(owner) and int(owner[-1]).bit_length() + _VALUE_BITS + bits > _MOST_BITS:
        return np.argsort(keys, axis=-1, kind="stable")
    # With the row's position in the low bits, all keys differ; sorting them takes a tenth of the time of argsort.
    ordered = np.sort((keys << bits) | position, axis=-1)
    return (ordered & ((1 << bits) - 1)) + (np.arange(len(owner)) - position)


def ranks(
    values: NDArray[np.float32], owner: NDArray[np.int64], order: NDArray[np.int64] | None = None
) -> NDArray[np.int64]:
    """Return each row's rank within its product by falling value, from 1, or 0 if the value is NaN.

    ``values`` is float32 (m,), or (m, columns) to rank each column separately; the ranks have its shape. ``order``
    is the result of :func:`argsort_within_groups`, if it is known already.
    """
    order = argsort_within_groups(values, owner) if order is None else order
    firsts = starts(owner)
    found = np.empty(order.shape, np.int64)
    np.put_along_axis(found, order, np.arange(len(owner)) - np.repeat(firsts, _sizes(firsts, owner)) + 1, axis=-1)
    found = np.ascontiguousarray(found.T)
    found[np.isnan(values)] = 0
    return found


def best_two(
    values: NDArray[np.float32], owner: NDArray[np.int64], order: NDArray[np.int64]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return the greatest and the second greatest value of each row's product: float32 (m, columns) each.

    They are NaN if there is no such value. ``values`` is float32 (m, columns), ``order`` the result of
    :func:`argsort_within_groups`.
    """
    firsts = starts(owner)
    sizes = _sizes(firsts, owner)
    columns = np.arange(values.shape[1])[:, None]
    seconds = np.minimum(firsts + 1, len(owner) - 1)
    best = values[order[:, firsts], columns]
    second = np.where(sizes > 1, values[order[:, seconds], columns], np.float32(np.nan))
    return np.repeat(best, sizes, axis=1).T, np.repeat(second, sizes, axis=1).T


def as_integers(values: NDArray[np.float32]) -> NDArray[np.int64]:
    """Return integers of 32 bits and a sign that sort like the values, with NaN below all others.

    Sorting by one integer takes half as long as sorting by product and value. Source: IEEE 754-2019, 5.10: numbers
    of the same sign sort like their bits.
    """
    bits = np.ascontiguousarray(values).view(np.int32).astype(np.int64)
    ordered = np.where(bits < 0, -(bits & 0x7FFFFFFF), bits)
    return np.where(np.isnan(values), -(1 << 32), ordered)


def _sizes(firsts: NDArray[np.int64], owner: NDArray[np.int64]) -> NDArray[np.int64]:
    sizes = np.full(len(firsts), len(owner), np.int64)
    sizes[:-1] = firsts[1:]
    return sizes - firsts


def total(values: NDArray[np.float64], keys: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return for each row the sum of the values of all rows with its key; keys are int64 (m,), in any order."""
    _, group = groups(keys)
    return np.bincount(group, weights=values)[group].astype(np.float64, copy=False)
