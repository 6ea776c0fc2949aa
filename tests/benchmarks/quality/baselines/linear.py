"""Linear models: an SVM on TF-IDF, and logistic regression on TF-IDF or a sentence encoder's vectors."""

from __future__ import annotations

import warnings
from typing import Final

import numpy as np
from numpy.typing import NDArray
from sklearn.decomposition import TruncatedSVD
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import normalize
from sklearn.svm import LinearSVC

from tests.benchmarks.quality import texts
from tests.benchmarks.quality.baselines.base import Baseline, Rows, Score, constant, in_chunks
from tests.benchmarks.quality.splits import Problem
from tests.benchmarks.quality.vectors import VectorCache

# Chosen once for all catalogues, on validation products from the training side.
_SVM_COST: Final = 1.0
_LOGISTIC_COST: Final = 30.0
_DIRECTIONS: Final = 300
_SCORED_AT_ONCE: Final = 1_024


def _fit_svm(rows: Rows, labels: NDArray[np.int32]) -> Score:
    """Fit an SVM: one-vs-rest, squared hinge loss (Fan et al., LIBLINEAR, JMLR 2008)."""
    classes = np.unique(labels)
    if len(classes) == 1:
        return constant(int(classes[0]), classes)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # the tolerance is wide on purpose; no figure changes
        warnings.filterwarnings("ignore", message="The number of unique classes")
        model = LinearSVC(C=_SVM_COST, dual=True, tol=0.1, max_iter=50, random_state=0).fit(rows, labels)

    def margins(part: Rows) -> NDArray[np.float64]:
        found: NDArray[np.float64] = model.decision_function(part)
        return found if found.ndim == 2 else np.stack([-found, found], axis=1)

    return lambda part: in_chunks(margins, part, classes, _SCORED_AT_ONCE)


def _fit_logistic(rows: Rows, labels: NDArray[np.int32]) -> Score:
    """Fit multinomial logistic regression with L-BFGS."""
    classes = np.unique(labels)
    if len(classes) == 1:
        return constant(int(classes[0]), classes)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        warnings.filterwarnings("ignore", message="The number of unique classes")
        model = LogisticRegression(C=_LOGISTIC_COST, max_iter=100, tol=1e-3).fit(rows, labels)
    return lambda part: in_chunks(model.predict_log_proba, part, classes, _SCORED_AT_ONCE)


def _one_vectoriser(problem: Problem, _: VectorCache | None) -> tuple[Rows, Rows]:
    return texts.one_vectoriser(problem.training.products, problem.test.products)


def _vectoriser_a_field(problem: Problem, _: VectorCache | None) -> tuple[Rows, Rows]:
    return texts.vectoriser_a_field(problem.training.products, problem.test.products)


def _reduced(problem: Problem, _: VectorCache | None) -> tuple[Rows, Rows]:
    """Reduce TF-IDF to its main directions: fitting a weight per n-gram and category would need 20 GB."""
    training, test = _one_vectoriser(problem, None)
    directions = min(_DIRECTIONS, min(training.shape) - 1)
    if directions < 1:
        return training.toarray(), test.toarray()
    reduction = TruncatedSVD(directions, n_iter=2, random_state=0).fit(training)
    return normalize(reduction.transform(training)), normalize(reduction.transform(test))


def encoded(problem: Problem, vectors: VectorCache | None) -> tuple[Rows, Rows]:
    """Return the encoder's vectors of both sides."""
    assert vectors is not None
    products = [*problem.training.products, *problem.test.products]
    found = vectors.encode([texts.sentence(product) for product in products])
    return found[: len(problem.training.products)], found[len(problem.training.products) :]


SVM: Final = Baseline("svm", _one_vectoriser, _fit_svm, {"version": 2, "C": _SVM_COST})
SVM_FIELDS: Final = Baseline("svm_fields", _vectoriser_a_field, _fit_svm, {"version": 2, "C": _SVM_COST})
LOGISTIC: Final = Baseline(
    "logistic", _reduced, _fit_logistic, {"version": 3, "C": _LOGISTIC_COST, "directions": _DIRECTIONS}
)
LOGISTIC_ENCODER: Final = Baseline(
    "logistic_encoder", encoded, _fit_logistic, {"version": 1, "C": _LOGISTIC_COST}, needs_encoder=True
)
