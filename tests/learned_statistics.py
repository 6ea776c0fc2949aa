"""Statistics as if the stream had learned them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping

import numpy as np

from schemas.events.statistics import StatisticKind
from schemas.taxonomy.tree import Taxonomy
from workers.learning import Key, ProductState, contributions
from workers.statistics import NO_WEIGHTS, CategoryWeights


def recount(states: Mapping[str, ProductState]) -> dict[Key, dict[str, float]]:
    """Return the weights of every key by counting all products again."""
    found: defaultdict[Key, defaultdict[str, float]] = defaultdict(lambda: defaultdict(float))
    for state in states.values():
        for key, (category, weight) in contributions(state).items():
            found[key][category] += weight
    return {key: dict(weights) for key, weights in found.items()}


class Learned:
    """Statistics with given weights."""

    def __init__(self, counted: Mapping[Key, CategoryWeights]) -> None:
        self._counted = counted

    def weights(self, kind: StatisticKind, key: str) -> CategoryWeights:
        """Return the weights of a brand, store or tag."""
        return self._counted.get((kind, key), NO_WEIGHTS)


def thousand_products(kind: StatisticKind, key: str, taxonomy: Taxonomy) -> Learned:
    """Return statistics of 1,000 products of a brand, store or tag, all in the tree's first listed category."""
    first = int(np.flatnonzero(taxonomy.is_listed)[0])
    return Learned({(kind, key): {taxonomy.ids[first]: 1_000.0}})
