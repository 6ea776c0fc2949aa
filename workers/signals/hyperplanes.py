"""Fit one hyperplane per class on n-gram features.

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

from workers.signals.rivals import Rivals
from workers.signals.sparse_linear import SparseLinear, largest, largest_stored, silent

# With LIBLINEAR's default of 0.1, fitting bigbasket takes a quarter longer and is no better on a held-out fifth of
# its training set (76.8 and 76.7 % right, AURC 0.071 with both).
_TOLERANCE: Final = 0.3
_REGULARISATION: Final = 0.4
# LIBLINEAR and the copies of its weights take 24 bytes for each feature and class: two gigabytes for so many.
_CLASSES_AT_ONCE: Final = 1_024
# The time grows with products times classes: about a minute for this many.
_PAIRS_AT_ONCE: Final = 1 << 24


def fit_hyperplanes(features: sparse.csr_matrix, nodes: NDArray[np.int32]) -> SparseLinear:
    """Fit a model that separates n products, float32 CSR (n, F), by their ``nodes``, int32 (n,).

    With a single node, the model scores 0 everywhere. If there are many classes or products, each class is fitted
    against its rivals and a sample of the other products only.
    """
    known, classes = np.unique(nodes, return_inverse=True)
    known = known.astype(np.int32)
    if len(known) < 2 or features.shape[1] == 0:
        return silent(features.shape[1], known)
    few = len(known) <= _CLASSES_AT_ONCE and len(known) * len(nodes) <= _PAIRS_AT_ONCE
    weights, intercepts = (_at_once if few else _one_by_one)(features, classes)
    return SparseLinear(weights, intercepts.astype(np.float32), known)


def _at_once(
    features: sparse.csr_matrix, classes: NDArray[np.intp]
) -> tuple[sparse.csr_matrix, NDArray[np.float64]]:
    weights, intercepts = _separate(features, classes)
    if len(intercepts) == 1:
        weights, intercepts = np.vstack([-weights, weights]), np.concatenate([-intercepts, intercepts])
    return largest(weights.T.astype(np.float32)), intercepts


def _one_by_one(
    features: sparse.csr_matrix, classes: NDArray[np.intp]
) -> tuple[sparse.csr_matrix, NDArray[np.float64]]:
    rivals = Rivals.of(features, classes)
    used, weights, intercepts = [], [], []
    for category in range(int(classes.max()) + 1):
        rows, stands_for = rivals.rows(category)
        (of_category,), intercept = _separate(features[rows], classes[rows] == category, stands_for)
        used.append(np.flatnonzero(of_category).astype(np.int32))
        weights.append(of_category[used[-1]].astype(np.float32))
        intercepts.append(intercept)
    offsets = np.cumsum([0, *map(len, used)])
    columns = (np.concatenate(weights), np.concatenate(used), offsets)
    found = sparse.csc_matrix(columns, (features.shape[1], len(intercepts)))
    return largest_stored(found.tocsr()), np.concatenate(intercepts)


def _separate(
    features: sparse.csr_matrix, classes: NDArray[np.generic], stands_for: NDArray[np.float64] | None = None
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return one-vs-rest weights (c, F) and intercepts (c,) of c classes; of two classes, only the second's.

    ``stands_for`` (n,) are sample weights: how many products each one stands for.
    """
    machine = LinearSVC(C=_REGULARISATION, tol=_TOLERANCE, dual=True, max_iter=50, random_state=0)
    with warnings.catch_warnings():
        # Every catalogue starts with few products per category, and the precision is limited on purpose.
        warnings.filterwarnings("ignore", message="The number of unique classes")
        warnings.filterwarnings("ignore", category=ConvergenceWarning)
        machine.fit(features, classes, stands_for)
    return machine.coef_, machine.intercept_
