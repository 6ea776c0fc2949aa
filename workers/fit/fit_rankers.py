"""Fit the rankers: one on all products, and for each fold one that did not see the fold."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Final

import numpy as np
from numpy.typing import NDArray

from schemas.taxonomy.tree import Taxonomy
from workers.fit.namesakes import WEIGHT
from workers.fit.out_of_fold import OutOfFold
from workers.fit.parallel import map_threads
from workers.progress import Progress
from workers.ranking.features import FeatureBuilder, most_supported
from workers.ranking.ranker import Ranker, RankerOptions, RankingExamples

# The number of trees if no product was held out to choose it on. More trees learn that titles contain whole names,
# and so does the sum: without labels, averaged over four catalogues and two encoders, 100 trees with half the step
# were right 1 point less often than 15, and 8 trees on top of a sum 0.5 points less often than 8 without.
_TREES_UNSEEN: Final = 8


@dataclass(frozen=True, slots=True)
class Rankers:
    """The ranker fitted on all products, and for each fold the ranker that did not see it."""

    of_all: Ranker
    without: dict[int, Ranker]

    def margins(self, values: NDArray[np.float32], folds: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return margins float32 (m,) for features (m, f), from rankers that did not see the product's fold.

        ``folds`` int64 (m,) are the folds of the products.
        """
        found = np.zeros(len(folds), np.float32)
        for fold, ranker in self.without.items():
            rows = np.flatnonzero(folds == fold)
            found[rows] = ranker.margins(values[rows])
        return found


def fit_rankers(
    examples: RankingExamples, folds: NDArray[np.int64], options: RankerOptions, progress: Progress
) -> Rankers:
    """Fit the rankers; ``folds`` int64 are the folds of the first examples, and all rankers learn from the others.

    The number of trees is the one that does best, on average, on the fold that each ranker did not see.
    """
    names = np.unique(folds).tolist()
    held_out = [np.flatnonzero(folds == fold) for fold in names]
    if not held_out:
        options = replace(options, trees=min(_TREES_UNSEEN, options.trees), from_sum=False)

    def learn(unseen: NDArray[np.intp]) -> tuple[Ranker, NDArray[np.float64]]:
        rows = np.setdiff1d(np.arange(len(examples.relevant)), unseen, assume_unique=True)
        return Ranker.fit(examples.take(rows), options, held_out=examples.take(unseen) if len(unseen) else None)

    (of_all, _), *fitted = map_threads(learn, [np.empty(0, np.intp), *held_out], "ranker", progress)
    if not fitted:
        return Rankers(of_all, {})
    trees = int(np.mean([losses for _, losses in fitted], axis=0).argmin()) + 1
    without = {fold: ranker.first(trees) for fold, (ranker, _) in zip(names, fitted, strict=True)}
    return Rankers(of_all.first(trees), without)


def ranking_examples(out_of_fold: OutOfFold, namesakes: OutOfFold, taxonomy: Taxonomy) -> RankingExamples:
    """Return the examples of both, those of ``out_of_fold`` first.

    How common a category is, and what it is confused with, is counted on the other folds. If it were counted on
    all folds, a product's own label would be included, and the ranker would learn that a category without any is
    never right.
    """
    matrices = []
    supported = most_supported(out_of_fold.candidates)
    starts = np.flatnonzero(np.diff(out_of_fold.folds, prepend=-1, append=-1))
    for start, stop in pairwise(starts.tolist()):
        others = out_of_fold.folds != out_of_fold.folds[start]
        builder = FeatureBuilder.fit(taxonomy, out_of_fold.labels[others], supported[others])
        matrices.append(builder.build(out_of_fold.candidates.part(start, stop)))
    matrices.append(FeatureBuilder.fit(taxonomy, out_of_fold.labels, supported).build(namesakes.candidates))
    relevant = np.concatenate([out_of_fold.relevant, namesakes.relevant])
    weight = np.ones(len(relevant), np.float32)
    if len(out_of_fold.labels):
        weight[len(out_of_fold.relevant) :] = min(1.0, WEIGHT / len(namesakes.labels))
    owner = np.concatenate(
        [out_of_fold.candidates.product_of_row, namesakes.candidates.product_of_row + len(out_of_fold.labels)]
    )
    values = np.concatenate([matrix.values for matrix in matrices])
    return RankingExamples(matrices[-1].names, matrices[-1].monotone, values, owner, relevant, weight)
