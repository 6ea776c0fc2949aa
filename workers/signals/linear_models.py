"""All linear models of text, asked together: to look up a product's n-grams is what costs, and is done once."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from workers.arrays.sparse_rows import SparseRows, ends_of
from workers.recall.batch import Batch
from workers.signals.sparse_linear import SparseLinear

# A weight costs eight times as much in a sparse row as in a whole one, which takes up to four times the memory.
_WHOLE_FROM: Final = 1 / 8


class LinearModels:
    """Models with the same F features; those of one batch are weighed by all of them at once."""

    def __init__(self) -> None:
        self._models: list[SparseLinear] = []
        self._weights: _Weights | None = None

    def add(self, model: SparseLinear) -> Callable[[Batch, SparseRows], NDArray[np.float32]]:
        """Add a model.

        Returns what maps a batch of n products and their n-grams, n rows of F columns, to the sums of the model's
        weights, float32 (n, c), without intercepts.
        """
        self._models.append(model)
        self._weights = None
        return partial(self._weigh, len(self._models) - 1)

    def _weigh(self, place: int, batch: Batch, features: SparseRows) -> NDArray[np.float32]:
        found = batch.once(self, lambda: self._all_weights().weigh(features))
        first = sum(len(model.known) for model in self._models[:place])
        return found[:, first : first + len(self._models[place].known)]

    def _all_weights(self) -> _Weights:
        if self._weights is None:
            self._weights = _Weights(sparse.hstack([model.weights for model in self._models], "csr"))
        return self._weights


class _Weights:
    """Weights (F, c): rows of which much is filled are kept whole, the others sparse."""

    def __init__(self, weights: sparse.csr_matrix) -> None:
        sizes = np.diff(weights.indptr)
        whole = sizes >= max(1, _WHOLE_FROM * weights.shape[1])
        self._place = np.where(whole, np.cumsum(whole) - 1, -1).astype(np.int32)
        self._whole = weights[whole].toarray()
        self._others = sparse.diags_array((~whole).astype(np.float32), format="csr") @ weights
        self._others.eliminate_zeros()

    def weigh(self, features: SparseRows) -> NDArray[np.float32]:
        """Return the product with n rows of F columns: float32 (n, c); a row of it depends on its own alone."""
        place = self._place[features.columns]
        whole = place >= 0
        ends = ends_of(whole)[features.ends]
        weighed = SparseRows(features.values[whole], place[whole], ends).times(self._whole)
        others = ~whole
        rest = SparseRows(features.values[others], features.columns[others], features.ends - ends)
        rest.add_product(self._others, weighed)
        return weighed
