"""The ranker: a weighted sum of features plus gradient-boosted trees (XGBoost) gives each candidate a margin.

The sum takes a tenth of the trees' time, so the trees score only the candidates that have a chance by their sum.
Source: cascade ranking, Wang, Lin and Metzler (2011), "A cascade ranking model for efficient ranked retrieval".
"""

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
# Chosen out of fold among 1, 10 and 30, with a separate loss for each candidate. The two larger ones give similar
# results, except on the smallest of four catalogues.
_REGULARISATION: Final = 10.0
# The share of the weighted sum that the trees start from. Starting from all of it makes it harder for them to
# correct what it exaggerates: of 0.3, 0.5, 0.7 and 1, a half was best out of fold.
_SHARE_OF_SUM: Final = 0.5
# The share of the right candidates that the trees are not asked about.
_RIGHT_LEFT_OUT: Final = 0.01
_LEAST_SUM: Final = "least_sum"
_BASE: Final = "ranker_sum.safetensors"
_TREES: Final = "ranker.ubj"
_TABLES: Final = "ranker_shap.safetensors"


@dataclass(frozen=True, slots=True)
class RankerOptions:
    """The size of the ranker: enough for ~70 features, small enough to score a product's candidates in ~100 us.

    ``trees`` is the maximum; how many are kept is chosen on products that a ranker did not see. Without
    ``from_sum``, the weighted sum is left out.
    """

    trees: int = 150
    depth: int = 6
    learning_rate: float = 0.2
    from_sum: bool = True
    seed: int = 0


@dataclass(frozen=True, slots=True)
class RankingExamples:
    """Candidates to learn from, with the features and the right answers.

    ``values``, float32 (m, f), holds the features ``names``. ``monotone`` is 1 for a feature if a greater value
    may only raise the sum, and the trees' share of the margin, else 0. ``owner``, int64 (m,), ascending, is the
    product of each candidate; ``relevant``, bool (m,), says whether it is right (at most one per product);
    ``weight``, float32 (m,), is the weight of its product.
    """

    names: tuple[str, ...]
    monotone: tuple[int, ...]
    values: NDArray[np.float32]
    owner: NDArray[np.int64]
    relevant: NDArray[np.bool_]
    weight: NDArray[np.float32]

    def take(self, rows: NDArray[np.intp]) -> RankingExamples:
        """Return only these rows, intp (k,), ascending."""
        return replace(
            self,
            values=self.values[rows],
            owner=self.owner[rows],
            relevant=self.relevant[rows],
            weight=self.weight[rows],
        )

    @property
    def loss(self) -> ChoiceLoss:
        """The loss of these candidates as a function of their margins."""
        return ChoiceLoss(self.owner, self.relevant, self.weight)

    def matrix(self, base: ConditionalLogit, bins: Any = None) -> Any:
        """Return XGBoost's matrix with ``base``'s margins as base margins, and the bins of ``bins`` if given."""
        return xgboost.QuantileDMatrix(
            self.values,
            base_margin=base.margins(self.values),
            feature_names=list(self.names),
            nthread=1,
            max_bin=_BINS,
            ref=bins,
        )


class Ranker:
    """Gives candidates a margin: the log-odds that a candidate is right rather than none."""

    def __init__(
        self, base: ConditionalLogit, trees: Any, least_sum: float, tree_shap: TreeShap | None = None
    ) -> None:
        """``trees`` is an XGBoost booster, whose margins are added to those of ``base``.

        Candidates to which ``base`` gives less than ``least_sum`` have the whole sum as their margin. There the
        margin jumps, so a greater value of a monotone feature may lower it. If ``tree_shap`` is not given, it is
        made from the booster when it is first needed.
        """
        self._base = base
        self._booster = trees
        self._booster.set_param({"nthread": 1})
        self._least_sum = least_sum
        self._tree_shap = tree_shap

    @classmethod
    def fit(
        cls, examples: RankingExamples, options: RankerOptions, held_out: RankingExamples | None = None
    ) -> tuple[Self, NDArray[np.float64]]:
        """Learn which candidates are right.

        Returns the ranker and the mean loss of ``held_out`` after each tree, float64 (trees,). Only candidates
        that the trees score count; if there are none, the loss is 0.
        """
        share = _SHARE_OF_SUM if options.from_sum else 0.0
        base = ConditionalLogit.fit(examples.values, examples.loss, examples.monotone, share)
        least_sum = _least_sum(base, examples)
        examples = _at_least(least_sum, base, examples)
        loss, learned = examples.loss, examples.matrix(base)
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
            "monotone_constraints": str(examples.monotone).replace(" ", ""),
            "nthread": 1,
            "seed": options.seed,
        }
        nothing = examples.take(np.empty(0, np.intp))
        unseen = nothing if held_out is None else _at_least(least_sum, base, held_out)
        unseen_loss = unseen.loss
        losses: dict[str, dict[str, list[float]]] = {}
        trees = xgboost.train(
            parameters,
            learned,
            options.trees,
            obj=lambda margins, _: loss.derivatives(margins),
            custom_metric=lambda margins, _: ("loss", unseen_loss.mean(margins)),
            # XGBoost warns of a matrix without rows.
            evals=[(unseen.matrix(base, learned), "held_out")] if len(unseen.values) else [],
            evals_result=losses,
            verbose_eval=False,
        )
        measured = losses["held_out"]["loss"] if losses else np.zeros(options.trees)
        return cls(base, trees, least_sum), np.asarray(measured, np.float64)

    def first(self, trees: int) -> Ranker:
        """Return a ranker with only the first ``trees`` trees."""
        return Ranker(self._base, self._booster[:trees], self._least_sum)

    def margins(self, values: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the margins, float32 (m,), for feature values, float32 (m, f)."""
        sums = self._base.margins(values)
        margins = sums / np.float32(_SHARE_OF_SUM)
        asked = np.flatnonzero(sums >= self._least_sum)
        if len(asked):
            margins[asked] = sums[asked] + booster.margins(self._booster, values[asked])
        return margins

    def contributions(self, values: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return each feature's contribution to the margin, float32 (m, f + 1), for float32 (m, f) values.

        The last column is the bias; a row sums to its margin. Source: SHAP values, Lundberg and Lee (2017), "A
        unified approach to interpreting model predictions"; the values of the sum and of the trees add up.
        """
        shares = self._base.contributions(values)
        asked = self._base.margins(values) >= self._least_sum
        shares[~asked] /= np.float32(_SHARE_OF_SUM)
        shares[asked] += self._tables().contributions(values[asked])
        return shares

    def _tables(self) -> TreeShap:
        if self._tree_shap is None:
            self._tree_shap = TreeShap.of(self._booster)
        return self._tree_shap

    def save(self, directory: Path) -> None:
        """Write the weighted sum, the trees and the tables of the trees' contributions."""
        self._base.save(directory / _BASE)
        self._booster.set_attr(**{_LEAST_SUM: repr(self._least_sum)})
        self._booster.save_model(directory / _TREES)
        self._tables().save(directory / _TABLES)

    @classmethod
    def load(cls, directory: Path, names: tuple[str, ...]) -> Self:
        """Read what :meth:`save` wrote; raises :class:`ValueError` if its features are not ``names``."""
        trees = xgboost.Booster(model_file=directory / _TREES)
        features = len(names)
        if trees.feature_names != list(names):
            raise ValueError(f"{_TREES} is of other features than the signals give")
        least_sum = trees.attr(_LEAST_SUM)
        if least_sum is None:
            raise ValueError(f"{_TREES} does not say which candidates its trees are for")
        base = ConditionalLogit.load(directory / _BASE, features)
        return cls(base, trees, float(least_sum), TreeShap.load(directory / _TABLES, features))


def _least_sum(base: ConditionalLogit, examples: RankingExamples) -> float:
    """Return the sum that all but a few of the right candidates reach, by weight."""
    right = np.flatnonzero(examples.relevant)
    if not len(right):
        return float("-inf")
    sums, weights = base.margins(examples.values[right]), examples.weight[right]
    return float(np.quantile(sums, _RIGHT_LEFT_OUT, weights=weights, method="inverted_cdf"))


def _at_least(least_sum: float, base: ConditionalLogit, examples: RankingExamples) -> RankingExamples:
    return examples.take(np.flatnonzero(base.margins(examples.values) >= least_sum))
