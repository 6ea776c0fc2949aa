"""Fit the rankers: one of all products, and one a fold that did not see the fold."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from workers.candidates import Candidates
from workers.fit.namesakes import WEIGHT
from workers.fit.out_of_fold import OutOfFold
from workers.fit.parallel import map_threads
from workers.fit.progress import Progress
from workers.ranking.features import FeatureBuilder
from workers.ranking.ranker import Lessons, Ranker, RankerOptions

# Where no product was held out to choose the number of trees on.
_TREES_UNSEEN: Final = 100


def fit_rankers(
    seen: OutOfFold,
    guide: OutOfFold,
    builder: FeatureBuilder,
    options: RankerOptions,
    progress: Progress,
) -> tuple[NDArray[np.float32], Ranker]:
    """Return the margins float32 (m,) of rankers that did not see the product, and the ranker of all products.

    The number of trees is the one that does best on what each of the former did not see.
    """
    lessons = _lessons(seen, guide, builder)
    count = len(seen.candidates.categories)
    fold_of_row = seen.folds[seen.candidates.product_of_row]
    held_out = [np.flatnonzero(fold_of_row == fold) for fold in np.unique(fold_of_row)]

    def learn(unseen: NDArray[np.intp]) -> tuple[Ranker, NDArray[np.float64]]:
        rows = np.setdiff1d(np.arange(len(lessons.relevant)), unseen, assume_unique=True)
        return Ranker.fit(lessons.take(rows), options, held_out=lessons.take(unseen) if len(unseen) else None)

    (of_all, _), *fitted = map_threads(learn, [np.empty(0, np.intp), *held_out], "ranker", progress)
    trees = min(_TREES_UNSEEN, options.trees)
    if fitted:
        trees = int(np.mean([losses for _, losses in fitted], axis=0).argmin()) + 1
    margins = np.zeros(count, np.float32)
    for rows, (ranker, _) in zip(held_out, fitted, strict=True):
        margins[rows] = ranker.first(trees).margins(lessons.values[rows])
    return margins, of_all.first(trees)


def _lessons(seen: OutOfFold, guide: OutOfFold, builder: FeatureBuilder) -> Lessons:
    """Return the rows of both, those of ``seen`` first."""
    matrix = builder.build(Candidates.together([seen.candidates, guide.candidates]))
    relevant = np.concatenate([seen.relevant, guide.relevant])
    weight = np.ones(len(relevant), np.float32)
    if len(seen.labels):
        weight[len(seen.relevant) :] = min(1.0, WEIGHT / len(guide.labels))
    return Lessons(matrix, matrix.values, relevant, weight)
