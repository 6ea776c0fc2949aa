"""The category whose text is nearest to the product's by a sentence encoder; no labels are used."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from tests.benchmarks.quality import texts
from tests.benchmarks.quality.baselines.base import Baseline, Rows, Score, in_chunks
from tests.benchmarks.quality.splits import Problem
from tests.benchmarks.quality.vectors import VectorCache
from workers.arrays.nearest import unit_rows

_SCORED_AT_ONCE: Final = 512


def _prepare(problem: Problem, vectors: VectorCache | None) -> tuple[Rows, Rows]:
    """Return cosines to every category as rows; the categories are known without labels."""
    assert vectors is not None
    nodes = problem.observed
    leaf = vectors.encode([problem.taxonomy.names[node] for node in nodes])
    path = vectors.encode([" ".join(problem.taxonomy.paths[node]) for node in nodes])
    categories = unit_rows(leaf + path)
    sides = []
    for side in (problem.training, problem.test):
        found = vectors.encode([texts.short_sentence(product) for product in side.products])
        sides.append(_Cosines(found, categories, nodes))
    return sides[0], sides[1]


class _Cosines:
    """Vectors (n, d) and categories (c, d); cosines are computed when needed, because all of them are too many."""

    def __init__(
        self, vectors: NDArray[np.float32], categories: NDArray[np.float32], nodes: NDArray[np.int32]
    ) -> None:
        self.vectors, self.categories, self.nodes = vectors, categories, nodes
        self.shape = (len(vectors), len(categories))

    def __getitem__(self, rows: NDArray[np.intp] | slice) -> _Cosines:
        return _Cosines(self.vectors[rows], self.categories, self.nodes)


def _fit(_: Rows, __: NDArray[np.int32]) -> Score:
    def cosines(part: Rows) -> NDArray[np.float32]:
        found: NDArray[np.float32] = part.vectors @ part.categories.T
        return found

    return lambda part: in_chunks(cosines, part, part.nodes, _SCORED_AT_ONCE)


ZERO_SHOT: Final = Baseline("zero_shot", _prepare, _fit, {"version": 1}, needs_encoder=True, learns=False)
