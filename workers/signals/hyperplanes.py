"""One hyperplane a class between n-grams.

Source: one-vs-rest linear support vector machines on TF-IDF, LIBLINEAR (Fan et al., 2008).
"""

from __future__ import annotations

import warnings
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from sklearn.exceptions import ConvergenceWarning
from sklearn.svm import LinearSVC

from workers.signals.sparse_linear import SparseLinear, largest, silent

# With LIBLINEAR's default of 0.1 bigbasket's hyperplanes take a quarter longer, and tell a fifth of its training
# side that is held out apart no better (76.8 and 76.7 % right, AURC 0.071 both).
_TOLERANCE: Final = 0.3
_REGULARISATION: Final = 0.4
# LIBLINEAR and what becomes of its weights take 24 bytes for each feature and class: two gigabytes at once.
_ALL_AT_ONCE: Final = 1_024
_CLASSES_AT_ONCE: Final = 512
_OTHERS: Final = -1


def fit_hyperplanes(features: sparse.csr_matrix, nodes: NDArray[np.int32]) -> SparseLinear:
    """Tell n products, float32 CSR (n, F), apart by their ``nodes``, int32 (n,); with a single one say nothing."""
    known = np.unique(nodes).astype(np.int32)
    if len(known) < 2 or features.shape[1] == 0:
        return silent(features.shape[1], known)
    at_once = len(known) if len(known) <= _ALL_AT_ONCE else _CLASSES_AT_ONCE
    blocks = [known[start : start + at_once] for start in range(0, len(known), at_once)]
    parts = [
        _one_vs_rest(features, np.where(np.isin(nodes, block), nodes, _OTHERS), len(block)) for block in blocks
    ]
    weights, intercepts = zip(*parts, strict=True)
    return SparseLinear(sparse.hstack(weights).tocsr(), np.concatenate(intercepts), known)


def _one_vs_rest(
    features: sparse.csr_matrix, classes: NDArray[np.int32], wanted: int
) -> tuple[sparse.csr_matrix, NDArray[np.float32]]:
    """Return weights (F, wanted) and intercepts of the last ``wanted`` of the classes, each against all others."""
    machine = LinearSVC(C=_REGULARISATION, tol=_TOLERANCE, dual=True, max_iter=50, random_state=0)
    with warnings.catch_warnings():
        # Few products a category is how every catalogue begins, and the precision is bounded on purpose.
        warnings.filterwarnings("ignore", message="The number of unique classes")
        warnings.filterwarnings("ignore", category=ConvergenceWarning)
        machine.fit(features, classes)
    weights, intercepts = machine.coef_, machine.intercept_
    if len(machine.classes_) == 2:
        weights, intercepts = np.vstack([-weights, weights]), np.concatenate([-intercepts, intercepts])
    return largest(weights[-wanted:].T.astype(np.float32)), intercepts[-wanted:].astype(np.float32)
