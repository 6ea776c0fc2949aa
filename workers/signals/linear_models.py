"""Evaluate all linear text models together, so that the expensive lookup of a product's n-grams is done once."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from workers.arrays.sparse_rows import SparseRows, offsets_from_sizes
from workers.recall.batch import Batch
from workers.signals.sparse_linear import SparseLinear

# A weight is eight times as expensive in a sparse row as in a dense one, which takes up to four times the memory.
_WHOLE_FROM: Final = 1 / 8


class LinearModels:
    """Models over the same F features; a batch is evaluated with all of them at once."""

    def __init__(self) -> None:
        self._models: list[SparseLinear] = []
        self._weights: _Weights | None = None

    def add(self, model: SparseLinear) -> Callable[[Batch, SparseRows], NDArray[np.float32]]:
        """Add a model and return a function that evaluates it.

        The function takes a batch of n products and their n-gram features, n rows of F columns. It returns the
        products of the features and the model's weights, float32 (n, c), without intercepts.
        """
        self._models.append(model)
        self._weights = None
        return partial(self._weigh, len(self._models) - 1)

    def _weigh(self, number: int, batch: Batch, features: SparseRows) -> NDArray[np.float32]:
        found = batch.once(self, lambda: self._all_weights().weigh(features))
        first = sum(len(model.known) for model in self._models[:number])
        return found[:, first : first + len(self._models[number].known)]

    def _all_weights(self) -> _Weights:
        if self._weights is None:
            self._weights = _Weights(sparse.hstack([model.weights for model in self._models], "csr"))
        return self._weights


class _Weights:
    """Weights (F, c): well-filled rows are stored dense, the others sparse."""

    def __init__(self, weights: sparse.csr_matrix) -> None:
        sizes = np.diff(weights.indptr)
        whole = sizes >= max(1, _WHOLE_FROM * weights.shape[1])
        self._dense_row = np.where(whole, np.cumsum(whole) - 1, -1).astype(np.int32)
        self._whole = weights[whole].toarray()
        self._others = sparse.diags_array((~whole).astype(np.float32), format="csr") @ weights
        self._others.eliminate_zeros()

    def weigh(self, features: SparseRows) -> NDArray[np.float32]:
        """Return the product of n rows of F columns and the weights: float32 (n, c).

        Each row of the result depends on one row of ``features`` only.
        """
        dense_row = self._dense_row[features.columns]
        whole = dense_row >= 0
        offsets = offsets_from_sizes(whole)[features.offsets]
        weighed = SparseRows(features.values[whole], dense_row[whole], offsets).times(self._whole)
        others = ~whole
        rest = SparseRows(features.values[others], features.columns[others], features.offsets - offsets)
        rest.add_product(self._others, weighed)
        return weighed
