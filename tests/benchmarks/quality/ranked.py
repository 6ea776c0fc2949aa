"""A method's likeliest categories and their scores for products, and calculations with them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar

KEPT: Final = 20
"""The number of categories kept per product; later ones have no influence on any figure."""

_EXPECTATIONS: Final = 200


@dataclass(frozen=True, slots=True)
class Ranked:
    """The likeliest categories of n products, likeliest first.

    Attributes:
        categories: int32 (n, ``KEPT``), node indices, -1 where there are fewer.
        scores: float32 (n, ``KEPT``), falling, -inf where there is none. Margins or log probabilities: their
            softmax at some temperature is a distribution.
    """

    categories: NDArray[np.int32]
    scores: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.categories)


def rank(scores: NDArray[np.floating], classes: NDArray[np.int32]) -> Ranked:
    """Keep the best ``scores`` (n, c), -inf for none, of the categories ``classes`` (c,); ties go by class."""
    count = min(KEPT, scores.shape[1])
    best = np.argpartition(-scores, count - 1, axis=1)[:, :count] if count < scores.shape[1] else None
    if best is None:
        best = np.broadcast_to(np.arange(count), scores.shape)
    best = np.sort(best, axis=1)
    values = np.take_along_axis(scores, best, axis=1)
    order = np.argsort(-values, axis=1, kind="stable")
    found = empty(len(scores))
    found.scores[:, :count] = np.take_along_axis(values, order, axis=1)
    found.categories[:, :count] = classes[np.take_along_axis(best, order, axis=1)]
    found.categories[~np.isfinite(found.scores)] = -1
    return found


def empty(count: int) -> Ranked:
    """Return ``count`` products without categories."""
    return Ranked(np.full((count, KEPT), -1, np.int32), np.full((count, KEPT), -np.inf, np.float32))


def put_together(parts: Sequence[Ranked], order: NDArray[np.intp]) -> Ranked:
    """Join the parts; ``order`` has the final position of each product in the joined parts."""
    whole = empty(len(order))
    if not parts:
        return whole
    whole.categories[order] = np.concatenate([part.categories for part in parts])
    whole.scores[order] = np.concatenate([part.scores for part in parts])
    return whole


def probabilities(ranked: Ranked, temperature: float) -> NDArray[np.float64]:
    """Return the softmax of the scores, float64 (n, ``KEPT``); zeros for products without categories."""
    scaled = ranked.scores.astype(np.float64) / temperature
    top = np.where(np.isfinite(scaled[:, :1]), scaled[:, :1], 0)
    weights = np.exp(scaled - top)
    return weights / np.maximum(weights.sum(axis=1, keepdims=True), 1e-300)


def fit_temperature(ranked: Ranked, labels: NDArray[np.int32]) -> float:
    """Return the temperature with the least log loss for ``labels`` (n,) (Guo et al., arXiv 1706.04599)."""
    right = ranked.categories == labels[:, None]

    def loss(log_temperature: float) -> float:
        of_label = (probabilities(ranked, float(np.exp(log_temperature))) * right).sum(axis=1)
        return float(-np.log(np.maximum(of_label, 1e-4)).mean())

    return float(np.exp(minimize_scalar(loss, bounds=(-6.0, 3.0), method="bounded").x))


def fit_weights(
    members: Sequence[Ranked], temperatures: Sequence[float], labels: NDArray[np.int32]
) -> NDArray[np.float64]:
    """Return the mixture weights, float64 (members,) with sum 1, that make the labels likeliest.

    Fits the weights of a linear opinion pool by expectation maximisation (Dempster, Laird and Rubin, 1977).
    """
    of_label = np.stack(
        [
            (probabilities(member, value) * (member.categories == labels[:, None])).sum(axis=1)
            for member, value in zip(members, temperatures, strict=True)
        ],
        axis=1,
    )
    of_label = np.maximum(of_label, 1e-4)
    weights = np.full(len(members), 1 / len(members))
    for _ in range(_EXPECTATIONS):
        share = of_label * weights
        weights = (share / share.sum(axis=1, keepdims=True)).mean(axis=0)
    return weights


def average(
    members: Sequence[Ranked], temperatures: Sequence[float], mixture: NDArray[np.float64] | None = None
) -> Ranked:
    """Return the logarithm of the members' mean probability, weighted by ``mixture`` or equally."""
    if mixture is None:
        mixture = np.full(len(members), 1 / len(members))
    categories = np.concatenate([member.categories for member in members], axis=1)
    weights = np.concatenate(
        [
            part * probabilities(member, value)
            for member, value, part in zip(members, temperatures, mixture.tolist(), strict=True)
        ],
        axis=1,
    )
    order = np.argsort(categories, axis=1, kind="stable")
    categories = np.take_along_axis(categories, order, axis=1)
    total = np.cumsum(np.take_along_axis(weights, order, axis=1), axis=1)
    last = np.ones(categories.shape, np.bool_)
    last[:, :-1] = categories[:, 1:] != categories[:, :-1]
    last &= categories >= 0
    whole = empty(len(categories))
    for row in range(len(categories)):
        ends = np.flatnonzero(last[row])
        # Entries without a category are sorted first and have no weight.
        mass = np.diff(total[row, ends], prepend=0.0)
        best = np.argsort(-mass, kind="stable")[:KEPT]
        with np.errstate(divide="ignore"):
            whole.scores[row, : len(best)] = np.log(mass[best])
        whole.categories[row, : len(best)] = categories[row, ends[best]]
    whole.categories[~np.isfinite(whole.scores)] = -1
    return whole
