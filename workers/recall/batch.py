"""A batch of products with their vectors, and a cache for values that several signals derive from it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from schemas.events.product import Product
from workers.statistics import NoStatistics, Statistics

Made = TypeVar("Made")


@dataclass(frozen=True, slots=True)
class Batch:
    """n products and their vectors, each float32 (n, d) with rows of L2 norm 1 or 0.

    ``vectors`` are compared with categories. ``branded`` include the brand and are compared with other products.
    ``described`` are those of the descriptions, or a row of ``vectors`` if a product has no description. If the
    encoder is not cheap, all three are the same.
    """

    products: Sequence[Product]
    vectors: NDArray[np.float32]
    branded: NDArray[np.float32]
    described: NDArray[np.float32]
    statistics: Statistics = field(default_factory=NoStatistics)
    _made: dict[object, Any] = field(default_factory=dict, compare=False, repr=False)

    def __len__(self) -> int:
        return len(self.products)

    def take(self, rows: NDArray[np.intp]) -> Batch:
        """Return a batch that contains only the products at ``rows``."""
        products = [self.products[row] for row in rows]
        return Batch(products, self.vectors[rows], self.branded[rows], self.described[rows], self.statistics)

    def once(self, owner: object, make: Callable[[], Made]) -> Made:
        """Return ``make()``, called once per batch and ``owner`` and then cached, so that signals can share it."""
        if owner not in self._made:
            self._made[owner] = make()
        made: Made = self._made[owner]
        return made
