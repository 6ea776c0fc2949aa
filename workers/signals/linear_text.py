"""Signal: a linear classifier on the n-grams of title, merchant's words and description.

Source: one-vs-rest linear support vector machines on TF-IDF, LIBLINEAR (Fan et al., 2008).
"""

from __future__ import annotations

import warnings
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from sklearn.exceptions import ConvergenceWarning
from sklearn.svm import LinearSVC

from workers.product_text import FIELDS
from workers.signals.base import Batch, Reference, SignalState, TrainingSet
from workers.signals.scores import DenseScores
from workers.text.ngrams import NgramOptions, NgramVectorizer
from workers.text.tokens import words

_OPTIONS: Final[dict[str, NgramOptions]] = {
    "title": NgramOptions(maximum_features=80_000),
    "context": NgramOptions(maximum_features=40_000),
    "description": NgramOptions(bigrams=False, characters=None, maximum_features=30_000, maximum_words=100),
}
# A tenth of LIBLINEAR's default precision costs nothing in accuracy and halves the time.
_TOLERANCE: Final = 0.1
_REGULARISATION: Final = 0.4
# Of a large model one weight in twenty is kept, the largest: on flipkart and bigbasket neither accuracy nor recall
# changes by it, and the model is a thirtieth of its size.
_KEPT_SHARE: Final = 0.05
_KEPT_AT_LEAST: Final = 1_000_000


class LinearText:
    """One hyperplane a category that has labelled products; the score is the distance's sign and size."""

    name = "linear_text"
    context_names: tuple[str, ...] = ("linear_text_title_words",)

    def __init__(
        self,
        vectorizers: dict[str, NgramVectorizer],
        weights: sparse.csr_matrix,
        intercepts: NDArray[np.float32],
        known: NDArray[np.int32],
    ) -> None:
        """``weights`` float32 CSR (F, c), ``intercepts`` float32 (c,), ``known`` int32 (c,) ascending nodes."""
        self._vectorizers = vectorizers
        self._weights = weights
        self._intercepts = intercepts
        self._known = known

    def score(self, batch: Batch) -> DenseScores:
        """Score every category that has labelled products."""
        features = _features(self._vectorizers, batch)
        scores = (features @ self._weights).toarray().astype(np.float32) + self._intercepts
        title_words = [[len(words(product.title))] for product in batch.products]
        return DenseScores(self._known, scores, np.array(title_words, np.float32).reshape(-1, 1))

    @classmethod
    def fit(cls, training: TrainingSet) -> Self:
        """Fit vocabulary and hyperplanes; with a single category there is nothing to tell apart."""
        vectorizers = {
            field: NgramVectorizer.fit(map(FIELDS[field], training.batch.products), options)
            for field, options in _OPTIONS.items()
        }
        known = np.unique(training.labels).astype(np.int32)
        width = sum(map(len, vectorizers.values()))
        if len(known) < 2 or width == 0:
            return cls(
                vectorizers,
                sparse.csr_matrix(np.zeros((width, len(known)), np.float32)),
                np.zeros(len(known), np.float32),
                known,
            )
        machine = LinearSVC(C=_REGULARISATION, tol=_TOLERANCE, dual=True, max_iter=50, random_state=0)
        with warnings.catch_warnings():
            # Few products a category is how every catalogue begins, and the precision is bounded on purpose.
            warnings.filterwarnings("ignore", message="The number of unique classes")
            warnings.filterwarnings("ignore", category=ConvergenceWarning)
            machine.fit(_features(vectorizers, training.batch), training.labels)
        weights, intercepts = machine.coef_, machine.intercept_
        if len(known) == 2:
            weights, intercepts = np.vstack([-weights, weights]), np.concatenate([-intercepts, intercepts])
        return cls(vectorizers, _largest(weights.T), intercepts.astype(np.float32), known)

    def state(self) -> SignalState:
        """Return vocabularies and hyperplanes, these at half precision."""
        states = {field: vectorizer.state() for field, vectorizer in self._vectorizers.items()}
        arrays = {f"idf_{field}": idf for field, (_, idf) in states.items()}
        return SignalState(
            {
                **arrays,
                "weights": self._weights.data.astype(np.float16),
                "columns": self._weights.indices.astype(np.int32),
                "offsets": self._weights.indptr.astype(np.int64),
                "intercepts": self._intercepts,
                "known": self._known,
            },
            {field: state for field, (state, _) in states.items()},
        )

    @classmethod
    def restore(cls, state: SignalState, reference: Reference) -> Self:  # noqa: ARG003
        """Make the classifier again."""
        vectorizers = {
            field: NgramVectorizer.restore(state.meta[field], state.arrays[f"idf_{field}"]) for field in _OPTIONS
        }
        arrays, known = state.arrays, state.arrays["known"]
        weights = sparse.csr_matrix(
            (arrays["weights"].astype(np.float32), arrays["columns"], arrays["offsets"]),
            shape=(len(arrays["offsets"]) - 1, len(known)),
        )
        return cls(vectorizers, weights, arrays["intercepts"], known)


def _largest(weights: NDArray[np.float64]) -> sparse.csr_matrix:
    """Return the largest of the weights (F, c) as float32 CSR."""
    values = weights.astype(np.float32)
    kept = max(_KEPT_AT_LEAST, int(_KEPT_SHARE * values.size))
    if kept < values.size:
        place = values.size - kept
        values[np.abs(values) < np.partition(np.abs(values), place, axis=None)[place]] = 0
    return sparse.csr_matrix(values)


def _features(vectorizers: dict[str, NgramVectorizer], batch: Batch) -> sparse.csr_matrix:
    parts = [
        vectorizer.transform([FIELDS[field](product) for product in batch.products])
        for field, vectorizer in vectorizers.items()
    ]
    return sparse.csr_matrix(sparse.hstack(parts, format="csr"))
