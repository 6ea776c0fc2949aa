"""Count how often a key (a brand, a store, a merchant's text) occurs with each category in labelled products."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Final, Self

import numpy as np

from workers.arrays.stored import require, require_below, require_offsets
from workers.signals.base import SignalState

Weights = Mapping[int, float]
"""Maps node index to summed weight."""

DOUBT: Final = 1.0
"""The weight of "none of these categories" for every key, because a key that was counted once proves little."""

_NOTHING: Weights = {}


class CategoryCounts:
    """The weights of categories, by key."""

    def __init__(self, weights: dict[str, dict[int, float]]) -> None:
        """``weights[key]`` maps node index to summed weight."""
        self._weights = weights

    @classmethod
    def count(cls, pairs: Iterable[tuple[str, int]]) -> Self:
        """Count (key, node index) pairs."""
        weights: defaultdict[str, defaultdict[int, float]] = defaultdict(lambda: defaultdict(float))
        for key, category in pairs:
            weights[key][category] += 1.0
        return cls({key: dict(counts) for key, counts in weights.items()})

    def __getitem__(self, key: str) -> Weights:
        return self._weights.get(key, _NOTHING)

    def state(self) -> SignalState:
        """Return the counts as keys and CSR arrays."""
        keys = sorted(self._weights)
        rows = [sorted(self._weights[key].items()) for key in keys]
        return SignalState(
            {
                "offsets": np.concatenate([[0], np.cumsum([len(row) for row in rows])]).astype(np.int64),
                "categories": np.array([category for row in rows for category, _ in row], np.int32),
                "weights": np.array([weight for row in rows for _, weight in row], np.float32),
            },
            {"keys": keys},
        )

    @classmethod
    def restore(cls, state: SignalState, nodes: int) -> Self:
        """Restore the counts; raises :class:`ValueError` if they do not fit a tree of ``nodes`` nodes."""
        arrays, keys = state.arrays, state.meta["keys"]
        require_offsets("offsets", arrays["offsets"], len(keys), len(arrays["categories"]))
        require("weights", arrays["weights"], np.float32, None)
        require("categories", arrays["categories"], np.int32, len(arrays["weights"]))
        require_below("categories", arrays["categories"], nodes)
        offsets = arrays["offsets"].tolist()
        categories = arrays["categories"].tolist()
        weights = arrays["weights"].tolist()
        return cls(
            {
                key: dict(zip(categories[start:stop], weights[start:stop], strict=True))
                for key, start, stop in zip(keys, offsets[:-1], offsets[1:], strict=True)
            }
        )


def add_counts(weights: Weights, others: Weights) -> Weights:
    """Return the sum of two counts."""
    if not others:
        return weights
    return {node: weights.get(node, 0.0) + others.get(node, 0.0) for node in weights.keys() | others.keys()}


def shares(weights: Weights) -> dict[int, float]:
    """Return each category's share of the weight; the shares sum to less than 1 because of :data:`DOUBT`."""
    total = sum(weights.values()) + DOUBT
    return {category: weight / total for category, weight in weights.items()}


def focus(weights: Weights) -> tuple[float, float]:
    """Return (log(1 + total weight), largest share): the largest share of a focused brand is near 1."""
    total = sum(weights.values())
    if total <= 0:
        return 0.0, 0.0
    return float(np.log1p(total)), max(weights.values()) / total
