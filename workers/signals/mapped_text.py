"""What merchant and affiliate category texts share: a learned mapping of texts to categories."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from functools import lru_cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from schemas.taxonomy.tree import Taxonomy
from workers.signals.base import Batch
from workers.signals.counts import CategoryCounts, Weights, focus, shares
from workers.signals.keyed_counts import KeyedCounts
from workers.signals.scores import SparseScores
from workers.text.tokens import words

# A category that bears the very name is worth less than one labelled product that says so.
_NAMESAKE_WEIGHT: Final = 0.5


def fold(text: str) -> str:
    """Return a text's words, folded: the form under which texts and names of categories are compared."""
    return " ".join(words(text))


@lru_cache(maxsize=2)
def _nodes_by_name(taxonomy: Taxonomy) -> Mapping[str, list[int]]:
    """Return the listed nodes of each name, folded; made once for a tree, whose names are many."""
    found: defaultdict[str, list[int]] = defaultdict(list)
    for node in np.flatnonzero(taxonomy.is_listed).tolist():
        found[fold(taxonomy.names[node])].append(node)
    return dict(found)


class MappedText(KeyedCounts):
    """Maps a text to categories by what labelled products with that text were, and by the categories' names.

    A product gives its keys from the most to the least specific; the first one that was ever counted decides.
    """

    def __init__(self, counts: CategoryCounts, taxonomy: Taxonomy) -> None:
        """``counts`` has been counted over the same keys."""
        super().__init__(counts, taxonomy)
        self._namesakes = _nodes_by_name(taxonomy)

    def score(self, batch: Batch) -> SparseScores:
        """Score by shares; context is (log of 1 + count, largest share) of the deciding key."""
        context = np.zeros((len(batch), 2), np.float32)
        rows = [self._row(self.keys(product), context[row]) for row, product in enumerate(batch.products)]
        return SparseScores.of_rows(rows, context)

    def _row(self, keys: list[str], context: NDArray[np.float32]) -> dict[int, float]:
        weights: Weights = next((counted for key in keys if (counted := self._counts[key])), {})
        context[:] = focus(weights)
        row = shares(weights)
        for key in keys:
            namesakes = self._namesakes.get(key, ())
            for node in namesakes:
                row[node] = max(row.get(node, 0.0), _NAMESAKE_WEIGHT / len(namesakes))
        return row
