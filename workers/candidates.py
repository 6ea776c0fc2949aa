"""The union of what the signals proposed for a batch of products."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Candidates:
    """Candidates of n products, m in all; product i owns rows ``offsets[i]:offsets[i + 1]``.

    Attributes:
        signals: names of the s signals, in the order of the columns.
        context_names: names of the c context columns.
        offsets: int64 (n + 1,).
        categories: int32 (m,), node indices of the taxonomy, ascending within a product.
        scores: float32 (m, s), NaN where a signal says nothing of the candidate.
        named: bool (m, s), whether the signal proposed the candidate (provenance).
        context: float32 (n, c), what the signals know of the product itself, such as the focus of its brand.
    """

    signals: tuple[str, ...]
    context_names: tuple[str, ...]
    offsets: NDArray[np.int64]
    categories: NDArray[np.int32]
    scores: NDArray[np.float32]
    named: NDArray[np.bool_]
    context: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @property
    def product_of_row(self) -> NDArray[np.int64]:
        """The product index of each candidate row, int64 (m,)."""
        return np.repeat(np.arange(len(self)), np.diff(self.offsets))
