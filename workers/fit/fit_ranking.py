"""Fit the ranking half on out-of-fold candidates: ranker, probabilities, calibration, thresholds."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from schemas.taxonomy.tree import Taxonomy
from workers.candidates import Candidates
from workers.fit.parallel import map_threads
from workers.fit.progress import Progress
from workers.ranking.calibration import Calibrator, CandidateProbabilities, own_probability
from workers.ranking.features import FeatureBuilder, FeatureMatrix
from workers.ranking.likeliest import AncestorLevels, TopCandidates
from workers.ranking.policy import LEAST_ALSO, ErrorBudget, Policy, threshold
from workers.ranking.ranker import Ranker, RankerOptions
from workers.ranking.ranking import Ranking


@dataclass(frozen=True, slots=True)
class RankingOptions:
    """How to fit the ranking half."""

    budget: ErrorBudget = field(default_factory=ErrorBudget)
    ranker: RankerOptions = field(default_factory=RankerOptions)
    seed: int = 0


@dataclass(frozen=True, slots=True)
class OutOfFold:
    """Candidates of n products, with ``labels`` int32 (n,) and ``folds`` int64 (n,), in the same order.

    ``acceptable`` are for each product all categories in which the catalogue lists it.
    """

    candidates: Candidates
    labels: NDArray[np.int32]
    folds: NDArray[np.int64]
    acceptable: tuple[frozenset[int], ...]

    @property
    def relevant(self) -> NDArray[np.bool_]:
        """Whether each candidate is its product's label: bool (m,)."""
        return self.candidates.categories == self.labels[self.candidates.product_of_row]


def fit_ranking(seen: OutOfFold, taxonomy: Taxonomy, options: RankingOptions, progress: Progress) -> Ranking:
    """Fit everything that turns candidates into decisions.

    Margins for calibration and thresholds come from rankers that did not see the product: one a fold.
    """
    counts = np.bincount(seen.labels, minlength=len(taxonomy)).astype(np.float32)
    builder = FeatureBuilder(taxonomy, counts / counts.sum())
    matrix = builder.build(seen.candidates)
    owner = seen.candidates.product_of_row
    margins, ranker = _fit_rankers(seen, matrix, options, progress)
    probabilities = CandidateProbabilities.fit(margins, seen.relevant, owner, len(seen.labels))
    probability = probabilities(margins, owner)
    top = TopCandidates.of(seen.candidates, probability)
    levels = AncestorLevels.of(seen.candidates, probability, taxonomy.ancestor_matrix)
    truth = taxonomy.ancestor_matrix[seen.labels]
    roots = taxonomy.ancestor_matrix[top.category, 0]
    policy = Policy.choose(levels, truth, top, roots, options.budget)
    return Ranking(
        taxonomy=taxonomy,
        features=builder,
        ranker=ranker,
        probabilities=probabilities,
        assign_calibrator=Calibrator.fit(top.probability, top.category == seen.labels),
        back_off_calibrator=_fit_back_off(levels, truth),
        policy=replace(policy, also=_also_threshold(seen, margins, top, options.budget)),
    )


def _fit_rankers(
    seen: OutOfFold, matrix: FeatureMatrix, options: RankingOptions, progress: Progress
) -> tuple[NDArray[np.float32], Ranker]:
    """Return the margins float32 (m,) of rankers that did not see the product, and the ranker of all products.

    The number of trees is the one that does best on what each of the former did not see.
    """
    fold_of_row = seen.folds[seen.candidates.product_of_row]
    relevant = seen.relevant
    held_out = [np.flatnonzero(fold_of_row == fold) for fold in range(int(seen.folds.max()) + 1)]

    def learn(unseen: NDArray[np.intp]) -> tuple[Ranker, NDArray[np.float64]]:
        rows = np.setdiff1d(np.arange(len(fold_of_row)), unseen, assume_unique=True)
        return Ranker.fit(matrix, relevant, rows, options=options.ranker, seed=options.seed, held_out=unseen)

    fitted = map_threads(learn, held_out, "ranker", progress)
    trees = int(np.mean([losses for _, losses in fitted], axis=0).argmin()) + 1
    margins = np.zeros(len(fold_of_row), np.float32)
    for rows, (ranker, _) in zip(held_out, fitted, strict=True):
        margins[rows] = ranker.margins(matrix.values[rows], trees)
    chosen = replace(options.ranker, trees=trees)
    final, _ = Ranker.fit(matrix, relevant, np.arange(len(fold_of_row)), options=chosen, seed=options.seed)
    return margins, final


def _also_threshold(
    seen: OutOfFold, margins: NDArray[np.float32], top: TopCandidates, budget: ErrorBudget
) -> float:
    """Return from which probability on candidates that are not the likeliest are right, within the budget."""
    probability = own_probability(margins)
    beside = probability >= LEAST_ALSO
    beside[top.row[top.row >= 0]] = False
    rows = np.flatnonzero(beside)
    owner = seen.candidates.product_of_row[rows].tolist()
    categories = seen.candidates.categories[rows].tolist()
    right = [category in seen.acceptable[product] for product, category in zip(owner, categories, strict=True)]
    return threshold(probability[rows], np.array(right, np.bool_), budget)


def _fit_back_off(levels: AncestorLevels, truth: NDArray[np.int32]) -> Calibrator:
    """Calibrate the summed probability of ancestors, over all products and depths."""
    deep = levels.category >= 0
    return Calibrator.fit(levels.probability[deep], (levels.category == truth)[deep])
