"""Fit the ranking half on out-of-fold candidates: ranker, probabilities, calibration, thresholds."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from schemas.taxonomy.tree import Taxonomy
from workers.fit.fit_policy import Decisions, fit_policy
from workers.fit.fit_rankers import fit_rankers
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
    """How to fit the ranking half; ``least_store_weight`` is the policy's."""

    budget: ErrorBudget = field(default_factory=ErrorBudget)
    ranker: RankerOptions = field(default_factory=RankerOptions)
    least_store_weight: float = 0.0


def fit_ranking(
    seen: OutOfFold,
    guide: OutOfFold,
    taxonomy: Taxonomy,
    options: RankingOptions,
    progress: Progress,
) -> tuple[Ranking, dict[str, float | None]]:
    """Fit everything that turns candidates into decisions; return it with its figures out of fold.

    Margins for calibration and thresholds come from rankers that did not see the product: one a fold. The
    rankers learn from ``guide`` too, products that are not like those to come: nothing else is fitted on them.
    """
    margins, ranker = fit_rankers(seen, guide, taxonomy, options.ranker, progress)
    owner = seen.candidates.product_of_row
    probabilities = CandidateProbabilities.fit(margins, seen.relevant, owner, len(seen.labels))
    probability = probabilities(margins, owner)
    top = TopCandidates.of(seen.candidates, probability)
    right = top.category == seen.labels
    levels = AncestorLevels.of(seen.candidates, probability, taxonomy.ancestor_matrix)
    truth = taxonomy.ancestor_matrix[seen.labels]
    roots = taxonomy.ancestor_matrix[top.category, 0]
    policy = fit_policy(Decisions(top, levels, truth, roots, seen.folds), options.budget)
    ranking = Ranking(
        taxonomy=taxonomy,
        features=FeatureBuilder.fit(taxonomy, seen.labels, most_supported(seen.candidates)),
        ranker=ranker,
        probabilities=probabilities,
        assign_calibrator=Calibrator.fit(top.probability, right),
        back_off_calibrator=_fit_back_off(levels, truth),
        policy=replace(
            policy,
            also=_also_threshold(seen, margins, top, options.budget),
            least_store_weight=options.least_store_weight,
        ),
    )
    return ranking, measure_decisions(ranking, seen, top, roots)


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
