"""The ten most similar labelled products vote, each weighted by its similarity."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix
from sklearn.preprocessing import normalize

from tests.benchmarks.quality import texts
from tests.benchmarks.quality.baselines.base import Baseline, Rows, Score, in_chunks
from tests.benchmarks.quality.baselines.linear import encoded
from tests.benchmarks.quality.splits import Problem
from tests.benchmarks.quality.vectors import VectorCache

_NEIGHBOURS: Final = 10
_SCORED_AT_ONCE: Final = 256
# The weight is the similarity to this power, so that a near copy outvotes products that only share a word.
_SHARPNESS: Final = 4.0


def _prepare(problem: Problem, _: VectorCache | None) -> tuple[Rows, Rows]:
    sides = texts.one_vectoriser(problem.training.products, problem.test.products)
    return normalize(sides[0]), normalize(sides[1])


def _fit(rows: Rows, labels: NDArray[np.int32]) -> Score:
    classes, of_row = np.unique(labels, return_inverse=True)
    transposed = rows.T
    count = min(_NEIGHBOURS, len(labels))

    def vote(part: Any) -> NDArray[np.float64]:
        similarity = part @ transposed
        similarity = similarity.toarray() if isinstance(similarity, csr_matrix) else np.asarray(similarity)
        nearest = np.argpartition(-similarity, count - 1, axis=1)[:, :count]
        weight = np.maximum(np.take_along_axis(similarity, nearest, axis=1), 1e-3) ** _SHARPNESS
        owner = np.repeat(np.arange(len(similarity)), count)
        votes = csr_matrix(
            (weight.ravel(), (owner, of_row[nearest].ravel())), (len(similarity), len(classes)), dtype=np.float64
        ).toarray()
        share = votes / votes.sum(axis=1, keepdims=True)
        # A unanimous vote counts for less if the neighbours are not similar.
        closeness = weight.max(axis=1, keepdims=True) ** (1 / _SHARPNESS)
        with np.errstate(divide="ignore"):
            return np.log(share) * (0.5 + closeness)

    return lambda part: in_chunks(vote, part, classes, _SCORED_AT_ONCE)


_SETTINGS: Final = {"neighbours": _NEIGHBOURS, "sharpness": _SHARPNESS}
NEIGHBOURS: Final = Baseline("neighbours", _prepare, _fit, {"version": 2, **_SETTINGS})
NEIGHBOURS_ENCODER: Final = Baseline(
    "neighbours_encoder", encoded, _fit, {"version": 1, **_SETTINGS}, needs_encoder=True
)
