"""Fit the ranking half on out-of-fold candidates: ranker, probabilities, calibration, thresholds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from schemas.taxonomy.tree import Taxonomy
from workers.fit.decisions import Decisions, together
from workers.fit.fit_policy import fit_policy
from workers.fit.fit_rankers import fit_rankers, lessons_of
from workers.fit.fit_store_thresholds import fit_store_thresholds, unmet_store_thresholds
from workers.fit.held_out_stores import LittleKnown
from workers.fit.out_of_fold import OutOfFold
from workers.fit.out_of_fold_metrics import measure_decisions
from workers.fit.progress import Progress
from workers.ranking.calibration import Calibrator, CandidateProbabilities, own_probability
from workers.ranking.error_budget import ErrorBudget, threshold
from workers.ranking.features import FeatureBuilder, most_supported
from workers.ranking.likeliest import AncestorLevels, TopCandidates
from workers.ranking.ranker import RankerOptions
from workers.ranking.ranking import Ranking

# A candidate that is less likely right than this, rather than none, is never reported beside an assignment,
# whatever the data say.
_LEAST_ALSO: Final = 0.25


@dataclass(frozen=True, slots=True)
class RankingOptions:
    """How to fit the ranking half."""

    budget: ErrorBudget = field(default_factory=ErrorBudget)
    ranker: RankerOptions = field(default_factory=RankerOptions)


@dataclass(frozen=True, slots=True)
class RankingData:
    """What the ranking half learns from: products ``seen`` out of fold, which are like those to come.

    From ``guide``, which are not, the rankers alone learn; ``little_known`` tell how sure to be where stores are.
    """

    seen: OutOfFold
    guide: OutOfFold
    little_known: Sequence[LittleKnown] = ()


def fit_ranking(
    data: RankingData, taxonomy: Taxonomy, options: RankingOptions, progress: Progress
) -> tuple[Ranking, dict[str, float | None]]:
    """Fit everything that turns candidates into decisions; return it with its figures out of fold.

    Margins for calibration and thresholds come from rankers that did not see the product: one a fold.
    """
    seen = data.seen
    supported = most_supported(seen.candidates)
    owner = seen.candidates.product_of_row
    lessons = lessons_of(seen, data.guide, taxonomy)
    rankers = fit_rankers(lessons, seen.folds[owner], options.ranker, progress)
    margins = rankers.margins(lessons.values[: len(owner)], seen.folds[owner])
    probabilities = CandidateProbabilities.fit(margins, seen.relevant, owner, len(seen.labels))
    decisions = Decisions.of(seen, probabilities(margins, owner), taxonomy)

    def decide(each: LittleKnown) -> Decisions:
        asked = each.asked.candidates
        features = FeatureBuilder.fit(taxonomy, seen.labels[each.known], supported[each.known]).build(asked)
        of_unseen = rankers.margins(features.values, each.asked.folds[asked.product_of_row])
        return Decisions.of(each.asked, probabilities(of_unseen, asked.product_of_row), taxonomy)

    stores = unmet_store_thresholds(decisions.labelled)
    if data.little_known:
        of_stores = np.concatenate([each.stores for each in data.little_known])
        stores = fit_store_thresholds(together([*map(decide, data.little_known)]), of_stores, options.budget)
    policy = fit_policy(decisions.held_back(stores), options.budget)
    ranking = Ranking(
        taxonomy=taxonomy,
        features=FeatureBuilder.fit(taxonomy, seen.labels, supported),
        ranker=rankers.of_all,
        probabilities=probabilities,
        assign_calibrator=Calibrator.fit(decisions.top.probability, decisions.right),
        back_off_calibrator=_fit_back_off(decisions.levels, decisions.truth),
        policy=replace(policy, also=_also_threshold(seen, margins, decisions.top, options.budget), stores=stores),
    )
    return ranking, measure_decisions(ranking, decisions)


def _also_threshold(
    seen: OutOfFold, margins: NDArray[np.float32], top: TopCandidates, budget: ErrorBudget
) -> float:
    """Return from which probability on candidates that are not the likeliest are right, within the budget."""
    probability = own_probability(margins)
    beside = probability >= _LEAST_ALSO
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
