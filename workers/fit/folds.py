"""Folds for cross-fitting: what is learned from some products is tested on others."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from schemas.events.product import Product
from workers.text.tokens import identity


def assign_folds(products: Sequence[Product], folds: int, seed: int) -> NDArray[np.int64]:
    """Return each product's fold, int64 (n,); products with the same (folded) title are in the same fold.

    If they were in different folds, a signal could recognise a product instead of classifying it.
    """
    groups: dict[str, int] = {}
    group = [groups.setdefault(identity(product.title), len(groups)) for product in products]
    order = np.random.default_rng(seed).permutation(len(groups))
    return (order % min(folds, len(groups)))[group]
