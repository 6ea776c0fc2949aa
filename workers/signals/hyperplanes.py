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

from workers.signals.rivals import Rivals
from workers.signals.sparse_linear import SparseLinear, largest, largest_stored, silent

# With LIBLINEAR's default of 0.1 bigbasket's hyperplanes take a quarter longer, and tell a fifth of its training
# side that is held out apart no better (76.8 and 76.7 % right, AURC 0.071 both).
_TOLERANCE: Final = 0.3
_REGULARISATION: Final = 0.4
# LIBLINEAR and what becomes of its weights take 24 bytes for each feature and class: two gigabytes at once.
_CLASSES_AT_ONCE: Final = 1_024
# The time grows with products times classes: about a minute for so many.
_PAIRS_AT_ONCE: Final = 1 << 24


def fit_hyperplanes(features: sparse.csr_matrix, nodes: NDArray[np.int32]) -> SparseLinear:
    """Tell n products, float32 CSR (n, F), apart by their ``nodes``, int32 (n,); with a single one say nothing.

    Where classes or products are many, each class is told apart from its rivals and a sample of the others.
    """
    known, places = np.unique(nodes, return_inverse=True)
    known = known.astype(np.int32)
    if len(known) < 2 or features.shape[1] == 0:
        return silent(features.shape[1], known)
    few = len(known) <= _CLASSES_AT_ONCE and len(known) * len(nodes) <= _PAIRS_AT_ONCE
    weights, intercepts = (_at_once if few else _one_by_one)(features, places)
    return SparseLinear(weights, intercepts.astype(np.float32), known)


def _at_once(
    features: sparse.csr_matrix, places: NDArray[np.intp]
) -> tuple[sparse.csr_matrix, NDArray[np.float64]]:
    weights, intercepts = _separate(features, places)
    if len(intercepts) == 1:
        weights, intercepts = np.vstack([-weights, weights]), np.concatenate([-intercepts, intercepts])
    return largest(weights.T.astype(np.float32)), intercepts


def _one_by_one(
    features: sparse.csr_matrix, places: NDArray[np.intp]
) -> tuple[sparse.csr_matrix, NDArray[np.float64]]:
    rivals = Rivals.of(features, places)
    used, weights, intercepts = [], [], []
    for category in range(int(places.max()) + 1):
        rows, stands_for = rivals.rows(category)
        (of_category,), intercept = _separate(features[rows], places[rows] == category, stands_for)
        used.append(np.flatnonzero(of_category).astype(np.int32))
        weights.append(of_category[used[-1]].astype(np.float32))
        intercepts.append(intercept)
    ends = np.cumsum([0, *map(len, used)])
    columns = (np.concatenate(weights), np.concatenate(used), ends)
    found = sparse.csc_matrix(columns, (features.shape[1], len(intercepts)))
    return largest_stored(found.tocsr()), np.concatenate(intercepts)


def _separate(
    features: sparse.csr_matrix, classes: NDArray[np.generic], stands_for: NDArray[np.float64] | None = None
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return weights (c, F) and intercepts (c,) of c classes against all others; of two, those of the second.

    ``stands_for`` (n,) is how many products each is a sample of.
    """
    machine = LinearSVC(C=_REGULARISATION, tol=_TOLERANCE, dual=True, max_iter=50, random_state=0)
    with warnings.catch_warnings():
        # Few products a category is how every catalogue begins, and the precision is bounded on purpose.
        warnings.filterwarnings("ignore", message="The number of unique classes")
        warnings.filterwarnings("ignore", category=ConvergenceWarning)
        machine.fit(features, classes, stands_for)
    return machine.coef_, machine.intercept_
