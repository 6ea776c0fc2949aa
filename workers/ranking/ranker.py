"""The ranker: gradient-boosted trees that give every candidate a margin (XGBoost)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, Self

import numpy as np
import xgboost
from numpy.typing import NDArray

from workers.ranking import booster
from workers.ranking.features import FeatureMatrix

# Finer histograms cost time and change no decision.
_BINS: Final = 64
# Chosen out of fold among 1, 10 and 30: the two larger are alike, but on the smallest of four catalogues.
_REGULARISATION: Final = 10.0


@dataclass(frozen=True, slots=True)
class RankerOptions:
    """Size of the ranker: enough for the ~50 features, small enough to score 30 candidates in ~100 us.

    ``trees`` is the most; how many are kept is chosen on products that a ranker did not see.
    """

    trees: int = 300
    depth: int = 6
    learning_rate: float = 0.1
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Lessons:
    """Candidates to learn from.

    ``values`` is float32 (m, f) of the ``features``; ``relevant`` bool (m,), which are right; ``weight``
    float32 (m,), what each counts.
    """

    features: FeatureMatrix
    values: NDArray[np.float32]
    relevant: NDArray[np.bool_]
    weight: NDArray[np.float32]

    def take(self, rows: NDArray[np.intp]) -> Lessons:
        """Return some of the rows."""
        return replace(self, values=self.values[rows], relevant=self.relevant[rows], weight=self.weight[rows])

    def matrix(self, bins: Any = None) -> Any:
        """Return what XGBoost reads, with the histogram bins of another matrix where given."""
        return xgboost.QuantileDMatrix(
            self.values,
            label=self.relevant,
            weight=self.weight,
            feature_names=list(self.features.names),
            nthread=1,
            max_bin=_BINS,
            ref=bins,
        )


class Ranker:
    """Scores candidates; the margin is in log-odds."""

    def __init__(self, trees: Any) -> None:
        """``trees`` is XGBoost's booster."""
        self._booster = trees
        self._booster.set_param({"nthread": 1})

    @classmethod
    def fit(
        cls, lessons: Lessons, options: RankerOptions, held_out: Lessons | None = None
    ) -> tuple[Self, NDArray[np.float64]]:
        """Learn which candidates are right.

        Returns the ranker and, after each tree, the log-loss on ``held_out``: float64 (trees,), empty without.
        """
        learned = lessons.matrix()
        parameters = {
            "objective": "binary:logistic",
            "tree_method": "hist",
            "max_depth": options.depth,
            "learning_rate": options.learning_rate,
            "subsample": 0.8,
            "colsample_bytree": 0.5,
            "max_bin": _BINS,
            "eval_metric": "logloss",
            "min_child_weight": 2,
            "lambda": _REGULARISATION,
            "monotone_constraints": str(lessons.features.monotone).replace(" ", ""),
            "nthread": 1,
            "seed": options.seed,
        }
        watched = [] if held_out is None else [(held_out.matrix(learned), "held_out")]
        losses: dict[str, dict[str, list[float]]] = {}
        trees = xgboost.train(
            parameters, learned, options.trees, evals=watched, evals_result=losses, verbose_eval=False
        )
        return cls(trees), np.array(losses.get("held_out", {}).get("logloss", []))

    def first(self, trees: int) -> Ranker:
        """Return the ranker as it was after so many trees."""
        return Ranker(self._booster[:trees])

    def margins(self, values: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the margins, float32 (m,), of feature values float32 (m, f)."""
        if not len(values):
            return np.empty(0, np.float32)
        return booster.margins(self._booster, values)

    def contributions(
        self, features: FeatureMatrix, rows: NDArray[np.intp], *, exact: bool
    ) -> NDArray[np.float32]:
        """Return each feature's share of the margin of some rows: float32 (len(rows), f + 1).

        The last column is the bias; a row sums to its margin. Exact: TreeSHAP (Lundberg et al., 2018);
        otherwise the path attribution of Saabas (2014), some sixty times cheaper.
        """
        if not len(rows):
            return np.empty((0, len(features.names) + 1), np.float32)
        return booster.contributions(self._booster, features.values[rows], exact=exact)

    def save(self, file: Path) -> None:
        """Write the trees as UBJSON."""
        self._booster.save_model(file)

    @classmethod
    def load(cls, file: Path) -> Self:
        """Read what :meth:`save` wrote."""
        return cls(xgboost.Booster(model_file=file))
