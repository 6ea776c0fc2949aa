"""The model behind the ranker's loss and its probabilities: one of a product's candidates is right, or none is.

Source: conditional logit with an outside option, McFadden (1974), "Conditional logit analysis of qualitative
choice behavior".
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from workers.arrays import segments

# The curvature vanishes if a candidate is certain to be right or wrong; then a tree's step would be unbounded.
_LEAST_CURVATURE: Final = 1e-6
_LEAST_PROBABILITY: Final = 1e-12


class Choices:
    """A softmax over each product's candidates and one more option: that none of them is right."""

    def __init__(self, owner: NDArray[np.int64]) -> None:
        """``owner``, int64 (m,), is each candidate's product, ascending."""
        self.firsts = segments.starts(owner)
        self._sizes = np.diff(self.firsts, append=len(owner))

    def probabilities(
        self, logits: NDArray[np.floating], none_logit: float = 0.0
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the probability of each candidate, float64 (m,), and of "none" per product with candidates."""
        if not len(logits):
            return np.empty(0), np.empty(0)
        greatest = np.maximum(np.maximum.reduceat(logits, self.firsts), none_logit).astype(np.float64)
        weights = np.exp(logits - np.repeat(greatest, self._sizes))
        none = np.exp(none_logit - greatest)
        total = np.add.reduceat(weights, self.firsts) + none
        return weights / np.repeat(total, self._sizes), none / total

    def losses(
        self, relevant: NDArray[np.bool_], probability: NDArray[np.float64], none: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """Return the cross entropy of each product that has candidates.

        ``relevant`` marks the right candidate, at most one per product. ``probability`` and ``none`` are the
        results of :meth:`probabilities`.
        """
        if not len(none):
            return none
        right = np.add.reduceat(np.where(relevant, probability, 0.0), self.firsts)
        reached = np.logical_or.reduceat(relevant, self.firsts)
        return -np.log(np.maximum(np.where(reached, right, none), _LEAST_PROBABILITY))


class ChoiceLoss:
    """The cross entropy of :class:`Choices` as a function of the margins, with "none" at margin 0.

    With a separate loss for each candidate, trees learn from all candidates alike; with this one, they learn to
    distinguish rivals. Source: as a loss for ranking, ListNet, Cao et al. (2007).
    """

    def __init__(self, owner: NDArray[np.int64], relevant: NDArray[np.bool_], weight: NDArray[np.float32]) -> None:
        """``owner``, int64 (m,), is each candidate's product, ascending; at most one per product is ``relevant``.

        ``weight``, float32 (m,), is the weight of each candidate's product.
        """
        self._choices = Choices(owner)
        self._relevant = relevant
        self._weight = weight.astype(np.float64)

    def derivatives(self, margins: NDArray[np.float32]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the first derivatives of the loss by each margin and bounds on the second, both float64 (m,).

        The bound is twice the diagonal, as in XGBoost's own softmax: candidates of one product move together.
        """
        probability, _ = self._choices.probabilities(margins)
        curvature = np.maximum(2 * probability * (1 - probability), _LEAST_CURVATURE)
        return self._slopes(probability), curvature * self._weight

    def total(self, margins: NDArray[np.float32]) -> tuple[float, NDArray[np.float64]]:
        """Return the weighted sum of all losses and its first derivatives by each margin, float64 (m,)."""
        probability, none = self._choices.probabilities(margins)
        losses = self._choices.losses(self._relevant, probability, none)
        return float(losses @ self._weight[self._choices.firsts]), self._slopes(probability)

    def mean(self, margins: NDArray[np.float32]) -> float:
        """Return the unweighted mean loss of the products that have candidates, 0 if there are none."""
        losses = self._choices.losses(self._relevant, *self._choices.probabilities(margins))
        return float(losses.mean()) if len(losses) else 0.0

    def _slopes(self, probability: NDArray[np.float64]) -> NDArray[np.float64]:
        slopes: NDArray[np.float64] = (probability - self._relevant) * self._weight
        return slopes
