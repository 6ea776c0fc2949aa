"""Fit the ranking half on out-of-fold candidates: ranker, probabilities, calibration, thresholds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from schemas.taxonomy.tree import Taxonomy
from workers.fit.decisions import OutOfFoldDecisions, concatenate
from workers.fit.fit_new_stores import ALWAYS_REVIEW, fit_new_stores
from workers.fit.fit_policy import fit_policy
from workers.fit.fit_rankers import Rankers, fit_rankers, ranking_examples
from workers.fit.held_out_stores import OfNewStores
from workers.fit.out_of_fold import OutOfFold
from workers.fit.out_of_fold_metrics import measure_decisions, measure_new_stores
from workers.progress import Progress
from workers.ranking.calibration import Calibrator, CandidateProbabilities, own_probability
from workers.ranking.error_budget import ErrorBudget, threshold
from workers.ranking.features import FeatureBuilder, most_supported
from workers.ranking.likeliest import AncestorLevels, TopCandidates
from workers.ranking.new_stores import NewStores
from workers.ranking.ranker import RankerOptions
from workers.ranking.ranking import Ranking

# A candidate whose probability of being right (rather than none) is below this is never reported beside an
# assignment, whatever the data say.
_LEAST_ALSO: Final = 0.25


@dataclass(frozen=True, slots=True)
class RankingOptions:
    """How to fit the ranking half."""

    budget: ErrorBudget = field(default_factory=ErrorBudget)
    ranker: RankerOptions = field(default_factory=RankerOptions)


@dataclass(frozen=True, slots=True)
class RankingData:
    """What the ranking half learns from.

    Products ``out_of_fold`` are like those to come. The ``namesakes`` (:mod:`workers.fit.namesakes`) are not, so
    only the rankers learn from them. If products name stores (``names_stores``), ``of_new_stores`` serve to choose
    the thresholds for new stores; without any, a person is asked.
    """

    out_of_fold: OutOfFold
    namesakes: OutOfFold
    names_stores: bool = False
    of_new_stores: Sequence[OfNewStores] = ()


def fit_ranking(
    data: RankingData, taxonomy: Taxonomy, options: RankingOptions, progress: Progress
) -> tuple[Ranking, dict[str, Any]]:
    """Fit everything that turns candidates into decisions; return it with its out-of-fold figures.

    Margins for calibration and thresholds come from rankers that did not see the product, one per fold.
    """
    out_of_fold = data.out_of_fold
    supported = most_supported(out_of_fold.candidates)
    owner = out_of_fold.candidates.product_of_row
    examples = ranking_examples(out_of_fold, data.namesakes, taxonomy)
    rankers = fit_rankers(examples, out_of_fold.folds[owner], options.ranker, progress)
    margins = rankers.margins(examples.values[: len(owner)], out_of_fold.folds[owner])
    probabilities = CandidateProbabilities.fit(margins, out_of_fold.relevant, owner)
    decisions = OutOfFoldDecisions.of(out_of_fold, probabilities(margins, owner), taxonomy)
    budget = options.budget
    new_stores, of_new_stores = ALWAYS_REVIEW if data.names_stores else NewStores(), None
    if data.of_new_stores:
        of_new_stores = _decide_as_new(data, supported, rankers, probabilities, taxonomy)
        stores = np.concatenate([new.stores for new in data.of_new_stores])
        new_stores = fit_new_stores(of_new_stores, stores, budget)
    ranking = Ranking(
        taxonomy=taxonomy,
        features=FeatureBuilder.fit(taxonomy, out_of_fold.labels, supported),
        ranker=rankers.of_all,
        probabilities=probabilities,
        assign_calibrator=Calibrator.fit(decisions.top.probability, decisions.right),
        back_off_calibrator=_fit_back_off(decisions.levels, decisions.truth),
        policy=replace(
            fit_policy(decisions, new_stores, budget),
            also=_also_threshold(out_of_fold, margins, decisions.top, budget),
        ),
    )
    measured = measure_decisions(ranking, decisions)
    if data.names_stores:
        measured["new_stores"] = measure_new_stores(ranking.policy, of_new_stores)
    return ranking, measured


def _decide_as_new(
    data: RankingData,
    supported: NDArray[np.int32],
    rankers: Rankers,
    probabilities: CandidateProbabilities,
    taxonomy: Taxonomy,
) -> OutOfFoldDecisions:
    """Return decisions on products whose stores are new, with ``supported`` known only for the other products.

    Their folds are their turns.
    """
    found = []
    for turn, new in enumerate(data.of_new_stores):
        asked = new.asked.candidates
        known = FeatureBuilder.fit(taxonomy, data.out_of_fold.labels[new.known], supported[new.known])
        margins = rankers.margins(known.build(asked).values, new.asked.folds[asked.product_of_row])
        decided = OutOfFoldDecisions.of(new.asked, probabilities(margins, asked.product_of_row), taxonomy)
        found.append(replace(decided, folds=np.full(len(decided.folds), turn)))
    return concatenate(found)


def _also_threshold(
    out_of_fold: OutOfFold, margins: NDArray[np.float32], top: TopCandidates, budget: ErrorBudget
) -> float:
    """Return the probability from which on candidates other than the likeliest are right, within the budget."""
    probability = own_probability(margins)
    beside = probability >= _LEAST_ALSO
    beside[top.row[top.row >= 0]] = False
    rows = np.flatnonzero(beside)
    owner = out_of_fold.candidates.product_of_row[rows].tolist()
    categories = out_of_fold.candidates.categories[rows].tolist()
    right = [
        category in out_of_fold.acceptable[product] for product, category in zip(owner, categories, strict=True)
    ]
    return threshold(probability[rows], np.array(right, np.bool_), out_of_fold.groups[owner], budget)


def _fit_back_off(levels: AncestorLevels, truth: NDArray[np.int32]) -> Calibrator:
    """Calibrate the summed probability of ancestors, over all products and depths."""
    deep = levels.category >= 0
    return Calibrator.fit(levels.probability[deep], (levels.category == truth)[deep])
