"""The products of a batch, encoded once, and what is worked out of them once."""

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
    """n products.

    ``vectors`` is float32 (n, d), rows of L2 norm 1 or 0, to compare with categories; ``branded`` likewise, with
    the brand, to compare with products; ``described`` of the descriptions, those of ``vectors`` where there is
    none. All are the same where the encoder is not cheap.
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
        """Return the batch of some of the products."""
        products = [self.products[row] for row in rows]
        return Batch(products, self.vectors[rows], self.branded[rows], self.described[rows], self.statistics)

    def once(self, owner: object, make: Callable[[], Made]) -> Made:
        """Return what ``make`` made of the batch for ``owner``, whichever signal asked for it first."""
        if owner not in self._made:
            self._made[owner] = make()
        made: Made = self._made[owner]
        return made
