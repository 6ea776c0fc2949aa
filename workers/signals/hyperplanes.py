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


def fit_hyperplanes(features: sparse.csr_matrix, nodes: NDArray[np.int32]) -> SparseLinear:
    """Tell n products, float32 CSR (n, F), apart by their ``nodes``, int32 (n,); with a single one say nothing."""
    known = np.unique(nodes).astype(np.int32)
    if len(known) < 2 or features.shape[1] == 0:
        return silent(features.shape[1], known)
    machine = LinearSVC(C=_REGULARISATION, tol=_TOLERANCE, dual=True, max_iter=50, random_state=0)
    with warnings.catch_warnings():
        # Few products a category is how every catalogue begins, and the precision is bounded on purpose.
        warnings.filterwarnings("ignore", message="The number of unique classes")
        warnings.filterwarnings("ignore", category=ConvergenceWarning)
        machine.fit(features, nodes)
    weights, intercepts = machine.coef_, machine.intercept_
    if len(known) == 2:
        weights, intercepts = np.vstack([-weights, weights]), np.concatenate([-intercepts, intercepts])
    return SparseLinear(largest(weights.T.astype(np.float32)), intercepts.astype(np.float32), known)
