"""Sparse rows and their products with matrices.

It calls SciPy's kernels without SciPy's matrix classes. Making and checking such a matrix takes a hundred
microseconds, which is longer than the multiplication if a batch has few products.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.sparse import _sparsetools

# SciPy's type stub mistakes the values for indices.
_add_to_dense: Final[Any] = _sparsetools.csr_todense


@dataclass(frozen=True, slots=True)
class SparseRows:
    """n rows in CSR form; row i has the entries ``offsets[i]:offsets[i + 1]``.

    ``values`` is float32 (m,), ``columns`` int32 (m,), ``offsets`` int32 (n + 1,). If a column occurs twice in a
    row, its values add up.
    """

    values: NDArray[np.float32]
    columns: NDArray[np.int32]
    offsets: NDArray[np.int32]

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def matrix(self, width: int) -> sparse.csr_matrix:
        """Return the rows as float32 CSR (n, width)."""
        return sparse.csr_matrix((self.values, self.columns, self.offsets), shape=(len(self), width))

    def sums(self) -> NDArray[np.float32]:
        """Return the sum of each row, float32 (n,)."""
        sums = np.zeros(len(self), np.float32)
        filled = np.flatnonzero(self.offsets[1:] > self.offsets[:-1])
        if len(filled):
            sums[filled] = np.add.reduceat(self.values, self.offsets[filled])
        return sums

    def times(self, weights: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the product with a C-contiguous float32 (F, c) matrix: float32 (n, c).

        Each row of the result depends on one row of this object only.
        """
        found = np.zeros((len(self), weights.shape[1]), np.float32)
        _sparsetools.csr_matvecs(
            len(self),
            len(weights),
            weights.shape[1],
            self.offsets,
            self.columns,
            self.values,
            weights.ravel(),
            found.ravel(),
        )
        return found

    def product(self, weights: sparse.csr_matrix) -> SparseRows:
        """Return the product with a float32 CSR matrix (F, c), int32 indices: rows without repeated columns."""
        most = int((weights.indptr[self.columns + 1] - weights.indptr[self.columns]).sum())
        offsets = np.empty(len(self) + 1, np.int32)
        columns, values = np.empty(most, np.int32), np.empty(most, np.float32)
        _sparsetools.csr_matmat(
            len(self),
            weights.shape[1],
            self.offsets,
            self.columns,
            self.values,
            weights.indptr,
            weights.indices,
            weights.data,
            offsets,
            columns,
            values,
        )
        return SparseRows(values[: offsets[-1]], columns[: offsets[-1]], offsets)

    def add_product(self, weights: sparse.csr_matrix, to: NDArray[np.float32]) -> None:
        """Add the product with a float32 CSR matrix (F, c) with int32 indices to a C-contiguous float32 (n, c)."""
        self.product(weights).add_to(to)

    def add_to(self, to: NDArray[np.float32]) -> None:
        """Add the rows to a C-contiguous float32 (n, c); repeated columns are added in their order."""
        _add_to_dense(len(self), to.shape[1], self.offsets, self.columns, self.values, to)


def offsets_from_sizes(sizes: Sequence[int] | NDArray[np.bool_]) -> NDArray[np.int32]:
    """Return the offsets of n rows of these sizes: int32 (n + 1,), starting with 0."""
    offsets = np.zeros(len(sizes) + 1, np.int32)
    np.cumsum(np.asarray(sizes, np.int32), out=offsets[1:])
    return offsets
