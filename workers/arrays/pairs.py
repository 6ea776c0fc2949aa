"""Pairs of a product and a category, each as one int64, in order of the products."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from workers.arrays.segments import changes, groups


def pair_keys(products: NDArray[np.int64], categories: NDArray[np.int32]) -> NDArray[np.int64]:
    """Return one int64 for each pair of a product and a category: in its order, and theirs."""
    return (products.astype(np.int64) << 32) | categories


def pairs_of(keys: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
    """Return the products and the categories of :func:`pair_keys`."""
    return keys >> 32, (keys & 0xFFFFFFFF).astype(np.int32)


def distinct(keys: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return each of the keys once, ascending."""
    ordered = np.sort(keys)
    return ordered[changes(ordered)]


def summed(
    products: NDArray[np.int64], categories: NDArray[np.int32], values: NDArray[np.float64]
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return the key of each pair once, ascending, and the sum of its values, added up in their order."""
    keys, places = groups(pair_keys(products, categories))
    return keys, np.bincount(places, values, len(keys)).astype(np.float64, copy=False)
