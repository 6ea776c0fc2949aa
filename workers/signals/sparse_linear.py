"""A linear model over n-grams of which most weights are zero: small on disk, and fast in a stream."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Self

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from workers.arrays.stored import require, require_nodes

if TYPE_CHECKING:
    from workers.signals.base import Reference

# Of a large model one weight in twenty is kept, the largest: on flipkart and bigbasket neither accuracy nor recall
# changes by it, and the model is a thirtieth of its size.
_KEPT_SHARE: Final = 0.05
_KEPT_AT_LEAST: Final = 1_000_000
# Each product has a part of them read from memory: of 33 million, for 4,558 categories, 4 million tell as much.
_KEPT_AT_MOST: Final = 4_000_000
_KEPT_OF_A_CLASS: Final = 1_000


@dataclass(frozen=True, slots=True)
class SparseLinear:
    """``weights`` float32 CSR (F, c), ``intercepts`` float32 (c,), ``known`` int32 (c,) ascending node indices."""

    weights: sparse.csr_matrix
    intercepts: NDArray[np.float32]
    known: NDArray[np.int32]

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return what :meth:`restore` needs, weights at half precision."""
        return {
            "weights": self.weights.data.astype(np.float16),
            "columns": self.weights.indices.astype(np.int32),
            "offsets": self.weights.indptr.astype(np.int64),
            "intercepts": self.intercepts,
            "known": self.known,
        }

    @classmethod
    def restore(cls, arrays: dict[str, NDArray[Any]], reference: Reference) -> Self:
        """Make the model again; raises :class:`ValueError` where the arrays do not fit together."""
        known, count, features = arrays["known"], len(arrays["known"]), len(reference.text_features)
        require_nodes("known", known, len(reference.taxonomy))
        require("weights", arrays["weights"], np.float16, None)
        require("columns", arrays["columns"], np.int32, len(arrays["weights"]))
        require("offsets", arrays["offsets"], np.int64, features + 1)
        require("intercepts", arrays["intercepts"], np.float32, count)
        data = arrays["weights"].astype(np.float32)
        weights = sparse.csr_matrix((data, arrays["columns"], arrays["offsets"]), shape=(features, count))
        weights.check_format(full_check=True)
        return cls(weights, arrays["intercepts"], known)


def silent(features: int, known: NDArray[np.int32]) -> SparseLinear:
    """Return the model that says 0 of everything."""
    weights = np.zeros((features, len(known)), np.float32)
    return SparseLinear(sparse.csr_matrix(weights), np.zeros(len(known), np.float32), known)


def largest(weights: NDArray[np.float32]) -> sparse.csr_matrix:
    """Return the largest of the weights (F, c), by size, as float32 CSR; the others become zero in place.

    They keep no more digits than the half precision in which they are stored: what is fitted is what is restored.
    """
    kept = _kept(weights.shape)
    if kept < weights.size:
        place = weights.size - kept
        weights[np.abs(weights) < np.partition(np.abs(weights), place, axis=None)[place]] = 0
    return sparse.csr_matrix(weights.astype(np.float16).astype(np.float32))


def largest_stored(weights: sparse.csr_matrix) -> sparse.csr_matrix:
    """As :func:`largest`, of float32 CSR, which is changed in place."""
    kept = _kept(weights.shape)
    if kept < weights.nnz:
        place = weights.nnz - kept
        weights.data[np.abs(weights.data) < np.partition(np.abs(weights.data), place)[place]] = 0
    weights.data = weights.data.astype(np.float16).astype(np.float32)
    weights.eliminate_zeros()
    return weights


def _kept(shape: tuple[int, int]) -> int:
    features, classes = shape
    most = max(_KEPT_AT_MOST, _KEPT_OF_A_CLASS * classes)
    return max(_KEPT_AT_LEAST, min(int(_KEPT_SHARE * features * classes), most))
