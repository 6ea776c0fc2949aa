"""(product, category) pairs packed into one int64 each, so that they sort by product, then category."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from workers.arrays.segments import changes, groups


def pair_keys(products: NDArray[np.int64], categories: NDArray[np.int32]) -> NDArray[np.int64]:
    """Return one int64 key for each (product, category) pair; keys sort by product, then category."""
    return (products.astype(np.int64) << 32) | categories


def pairs_of(keys: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
    """Return the products and categories of keys made by :func:`pair_keys`."""
    return keys >> 32, (keys & 0xFFFFFFFF).astype(np.int32)


def distinct(keys: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the distinct keys in ascending order."""
    ordered = np.sort(keys)
    return ordered[changes(ordered)]


def summed(
    products: NDArray[np.int64], categories: NDArray[np.int32], values: NDArray[np.float64]
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return the distinct keys of the pairs, ascending, and the sum of each one's values, added in input order."""
    keys, index = groups(pair_keys(products, categories))
    return keys, np.bincount(index, values, len(keys)).astype(np.float64, copy=False)
