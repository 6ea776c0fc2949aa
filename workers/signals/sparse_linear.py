"""A linear model over n-grams in which most weights are zero: small on disk and fast in a stream."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Self

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from workers.arrays.stored import require, require_nodes

if TYPE_CHECKING:
    from workers.signals.base import Reference

# A large model keeps the largest twentieth of its weights: on flipkart and bigbasket this changes neither accuracy
# nor recall, and the model is a thirtieth of its size.
_KEPT_SHARE: Final = 0.05
_KEPT_AT_LEAST: Final = 1_000_000
# Each product reads some of them from memory. Of 33 million weights for 4,558 categories, 4 million do as well.
_KEPT_AT_MOST: Final = 4_000_000
_KEPT_OF_A_CLASS: Final = 1_000


@dataclass(frozen=True, slots=True)
class SparseLinear:
    """A linear model of F features and c categories.

    ``weights`` is float32 CSR (F, c), ``intercepts`` float32 (c,), ``known`` int32 (c,), ascending node indices.
    """

    weights: sparse.csr_matrix
    intercepts: NDArray[np.float32]
    known: NDArray[np.int32]

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return the arrays that :meth:`restore` reads, the weights in half precision."""
        return {
            "weights": self.weights.data.astype(np.float16),
            "columns": self.weights.indices.astype(np.int32),
            "offsets": self.weights.indptr.astype(np.int64),
            "intercepts": self.intercepts,
            "known": self.known,
        }

    @classmethod
    def restore(cls, arrays: dict[str, NDArray[Any]], reference: Reference) -> Self:
        """Restore the model; raises :class:`ValueError` if the arrays do not fit together."""
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
    """Return a model whose scores are all 0."""
    weights = np.zeros((features, len(known)), np.float32)
    return SparseLinear(sparse.csr_matrix(weights), np.zeros(len(known), np.float32), known)


def largest(weights: NDArray[np.float32]) -> sparse.csr_matrix:
    """Return the largest weights by absolute value, of (F, c), as float32 CSR; the others are set to 0 in place.

    The weights are rounded to half precision, in which they are stored, so a restored model equals the fitted one.
    """
    kept = _kept(weights.shape)
    if kept < weights.size:
        first = weights.size - kept
        weights[np.abs(weights) < np.partition(np.abs(weights), first, axis=None)[first]] = 0
    return sparse.csr_matrix(weights.astype(np.float16).astype(np.float32))


def largest_stored(weights: sparse.csr_matrix) -> sparse.csr_matrix:
    """Like :func:`largest`, but for float32 CSR, which is changed in place."""
    kept = _kept(weights.shape)
    if kept < weights.nnz:
        first = weights.nnz - kept
        weights.data[np.abs(weights.data) < np.partition(np.abs(weights.data), first)[first]] = 0
    weights.data = weights.data.astype(np.float16).astype(np.float32)
    weights.eliminate_zeros()
    return weights


def _kept(shape: tuple[int, int]) -> int:
    features, classes = shape
    most = max(_KEPT_AT_MOST, _KEPT_OF_A_CLASS * classes)
    return max(_KEPT_AT_LEAST, min(int(_KEPT_SHARE * features * classes), most))
