"""Base of the merchant and affiliate category signals: a learned mapping from texts to categories."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from functools import lru_cache
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from schemas.taxonomy.tree import Taxonomy
from workers.arrays.pairs import pair_keys
from workers.recall.batch import Batch
from workers.signals.counts import CategoryCounts, Weights, focus, shares
from workers.signals.keyed_counts import KeyedCounts
from workers.signals.scores import SparseScores
from workers.text.tokens import fold

# The score of a category whose name is the text itself; categories of the same name share it.
_NAMESAKE_WEIGHT: Final = 0.5
# Shops and networks use the same few texts over and over, so each one's mapping is cached.
REMEMBERED_TEXTS: Final = 10_000


class _Mapped(NamedTuple):
    """What a product's keys map to: ``nodes``, int32, ascending, their ``scores``, float32, and the context."""

    nodes: NDArray[np.int32]
    scores: NDArray[np.float32]
    context: tuple[float, float]


@lru_cache(maxsize=2)
def nodes_by_name(taxonomy: Taxonomy) -> Mapping[str, list[int]]:
    """Return the listed nodes by folded name; cached, because a tree has many names."""
    found: defaultdict[str, list[int]] = defaultdict(list)
    for node in np.flatnonzero(taxonomy.is_listed).tolist():
        found[fold(taxonomy.names[node])].append(node)
    return dict(found)


class MappedText(KeyedCounts):
    """Maps a text to the categories of labelled products with that text, and to categories of that name.

    A product's keys are ordered from most to least specific; the counts of the first key that has any are used.
    """

    def __init__(self, counts: CategoryCounts, taxonomy: Taxonomy) -> None:
        """``counts`` are counts by :meth:`keys`."""
        super().__init__(counts, taxonomy)
        self._namesakes = nodes_by_name(taxonomy)
        self._mapped: dict[tuple[str, ...], _Mapped] = {}

    def score(self, batch: Batch) -> SparseScores:
        """Score by shares; the context is (log(1 + count), largest share) of the key whose counts are used."""
        found = [self._map(tuple(self.keys(product))) for product in batch.products]
        products = np.repeat(np.arange(len(found)), [len(each.nodes) for each in found])
        keys = pair_keys(products, np.concatenate([_NO_NODES, *(each.nodes for each in found)]))
        scores = np.concatenate([_NO_SCORES, *(each.scores for each in found)])
        context = np.array([each.context for each in found], np.float32).reshape(-1, 2)
        return SparseScores(keys, scores, context)

    def _map(self, keys: tuple[str, ...]) -> _Mapped:
        found = self._mapped.get(keys)
        if found is None:
            if len(self._mapped) >= REMEMBERED_TEXTS:
                self._mapped.clear()
            found = self._mapped[keys] = self._look_up(keys)
        return found

    def _look_up(self, keys: tuple[str, ...]) -> _Mapped:
        weights: Weights = next((counted for key in keys if (counted := self._counts[key])), {})
        row = shares(weights)
        for key in keys:
            namesakes = self._namesakes.get(key, ())
            for node in namesakes:
                row[node] = max(row.get(node, 0.0), _NAMESAKE_WEIGHT / len(namesakes))
        nodes = sorted(row)
        scores = np.array([row[node] for node in nodes], np.float32)
        return _Mapped(np.array(nodes, np.int32), scores, focus(weights))


_NO_NODES: Final = np.empty(0, np.int32)
_NO_SCORES: Final = np.empty(0, np.float32)
