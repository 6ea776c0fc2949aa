"""The ranker: gradient-boosted trees (XGBoost) on a weighted sum of features give every candidate a margin."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, Self

import numpy as np
import xgboost
from numpy.typing import NDArray

from workers.ranking import booster
from workers.ranking.choice import ChoiceLoss
from workers.ranking.conditional_logit import ConditionalLogit
from workers.ranking.tree_shap import TreeShap

# Finer histograms cost time and change no decision.
_BINS: Final = 64
# Chosen out of fold among 1, 10 and 30, with a loss for each candidate apart: the two larger are alike, but on the
# smallest of four catalogues.
_REGULARISATION: Final = 10.0
_SUM: Final = "ranker_sum.safetensors"
_TREES: Final = "ranker.ubj"
_TABLES: Final = "ranker_shap.safetensors"


@dataclass(frozen=True, slots=True)
class RankerOptions:
    """Size of the ranker: enough for the ~70 features, small enough to score a product's candidates in ~100 us.

    ``trees`` is the most; how many are kept is chosen on products that a ranker did not see. Begun from the whole
    sum, trees can less well take back what it exaggerates: of shares of 0.3, 0.5, 0.7 and 1 the half was best out
    of fold.
    """

    trees: int = 150
    depth: int = 6
    learning_rate: float = 0.2
    share_of_sum: float = 0.5
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Lessons:
    """Candidates to learn from.

    ``values`` is float32 (m, f) of the features ``names``, of which ``monotone`` says 1 where a greater value may
    only raise the margin, else 0; ``owner`` int64 (m,), ascending, the products; ``relevant`` bool (m,), which are
    right, one of a product at most; ``weight`` float32 (m,), what the product counts.
    """

    names: tuple[str, ...]
    monotone: tuple[int, ...]
    values: NDArray[np.float32]
    owner: NDArray[np.int64]
    relevant: NDArray[np.bool_]
    weight: NDArray[np.float32]

    def take(self, rows: NDArray[np.intp]) -> Lessons:
        """Return some of the rows, all of each of their products."""
        return replace(
            self,
            values=self.values[rows],
            owner=self.owner[rows],
            relevant=self.relevant[rows],
            weight=self.weight[rows],
        )

    @property
    def loss(self) -> ChoiceLoss:
        """The loss of margins of these candidates."""
        return ChoiceLoss(self.owner, self.relevant, self.weight)

    def matrix(self, begun: ConditionalLogit, bins: Any = None) -> Any:
        """Return what XGBoost reads, with the margins to begin from; where given, with another matrix's bins."""
        return xgboost.QuantileDMatrix(
            self.values,
            base_margin=begun.margins(self.values),
            feature_names=list(self.names),
            nthread=1,
            max_bin=_BINS,
            ref=bins,
        )


class Ranker:
    """Scores candidates; the margin is the log-odds that a candidate is right rather than none."""

    def __init__(self, begun: ConditionalLogit, trees: Any, tree_shap: TreeShap | None = None) -> None:
        """``trees`` is XGBoost's booster, whose margins are added to those of ``begun``.

        ``tree_shap`` is made of it when first needed where it is not given.
        """
        self._begun = begun
        self._booster = trees
        self._booster.set_param({"nthread": 1})
        self._tree_shap = tree_shap

    @classmethod
    def fit(
        cls, lessons: Lessons, options: RankerOptions, held_out: Lessons | None = None
    ) -> tuple[Self, NDArray[np.float64]]:
        """Learn which candidates are right.

        Returns the ranker and, after each tree, the mean loss of ``held_out``: float64 (trees,), empty without.
        """
        loss = lessons.loss
        begun = ConditionalLogit.fit(lessons.values, loss, lessons.monotone, options.share_of_sum)
        learned = lessons.matrix(begun)
        parameters = {
            "base_score": 0.0,
            "tree_method": "hist",
            "max_depth": options.depth,
            "learning_rate": options.learning_rate,
            "subsample": 0.8,
            "colsample_bytree": 0.5,
            "max_bin": _BINS,
            "disable_default_eval_metric": 1,
            "min_child_weight": 2,
            "lambda": _REGULARISATION,
            "monotone_constraints": str(lessons.monotone).replace(" ", ""),
            "nthread": 1,
            "seed": options.seed,
        }
        unseen = None if held_out is None else held_out.loss
        losses: dict[str, dict[str, list[float]]] = {}
        trees = xgboost.train(
            parameters,
            learned,
            options.trees,
            obj=lambda margins, _: loss.derivatives(margins),
            custom_metric=None if unseen is None else lambda margins, _: ("loss", unseen.mean(margins)),
            evals=[] if held_out is None else [(held_out.matrix(begun, learned), "held_out")],
            evals_result=losses,
            verbose_eval=False,
        )
        return cls(begun, trees), np.array(losses.get("held_out", {}).get("loss", []))

    def first(self, trees: int) -> Ranker:
        """Return the ranker as it was after so many trees."""
        return Ranker(self._begun, self._booster[:trees])

    def margins(self, values: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the margins, float32 (m,), of feature values float32 (m, f)."""
        if not len(values):
            return np.empty(0, np.float32)
        return self._begun.margins(values) + booster.margins(self._booster, values)

    def contributions(self, values: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return each feature's share of the margin, float32 (m, f + 1), of feature values float32 (m, f).

        The last column is the bias; a row sums to its margin. Source: SHAP values, Lundberg and Lee (2017), "A
        unified approach to interpreting model predictions"; those of a sum and of trees add up.
        """
        return self._begun.contributions(values) + self._tables().contributions(values)

    def _tables(self) -> TreeShap:
        if self._tree_shap is None:
            self._tree_shap = TreeShap.of(self._booster)
        return self._tree_shap

    def save(self, directory: Path) -> None:
        """Write the sum, the trees, and the tables of the trees' contributions."""
        self._begun.save(directory / _SUM)
        self._booster.save_model(directory / _TREES)
        self._tables().save(directory / _TABLES)

    @classmethod
    def load(cls, directory: Path, names: tuple[str, ...]) -> Self:
        """Read what :meth:`save` wrote; raises :class:`ValueError` where its features are not the ones named."""
        trees = xgboost.Booster(model_file=directory / _TREES)
        features = len(names)
        if trees.feature_names != list(names):
            raise ValueError(f"{_TREES} is of other features than the signals give")
        begun = ConditionalLogit.load(directory / _SUM, features)
        return cls(begun, trees, TreeShap.load(directory / _TABLES, features))
