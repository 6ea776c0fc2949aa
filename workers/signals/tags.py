"""Signal: the product's tags, as given by the merchant."""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from schemas.events.product import Product
from schemas.taxonomy.tree import Taxonomy
from workers.arrays.pairs import summed
from workers.recall.batch import Batch
from workers.signals.counts import CategoryCounts, add_counts, focus, shares
from workers.signals.keyed_counts import KeyedCounts
from workers.signals.mapped_text import REMEMBERED_TEXTS, nodes_by_name
from workers.signals.scores import SparseScores
from workers.statistics import CategoryWeights
from workers.text.tokens import fold

# The weight of a tag that was never counted but is the name of a category; a tag of a single category weighs 1.
_NAMESAKE_WEIGHT: Final = 0.5
# Only the most focused tags of a product are used; a broad tag may map to thousands of categories.
_MOST_TAGS: Final = 32


class _Tag(NamedTuple):
    """What one tag maps to.

    ``nodes`` is int32; ``shares``, float64, are already multiplied by the tag's ``weight``; ``learned`` is what
    the stream had learned about the tag when it was mapped.
    """

    nodes: NDArray[np.int32]
    shares: NDArray[np.float64]
    weight: float
    context: tuple[float, float]
    learned: CategoryWeights


class Tags(KeyedCounts):
    """Averages the categories that a product's tags had on labelled and reviewed products.

    Each tag is weighted by the square of its focus, because "New arrival" is on everything and "Loveseat" only on
    loveseats. A tag that was never counted is used only if it is the name of a category.
    """

    name = "tags"
    context_names: tuple[str, ...] = ("tags_log_count", "tags_focus")

    def __init__(self, counts: CategoryCounts, taxonomy: Taxonomy) -> None:
        """``counts`` are counts by :meth:`keys`."""
        super().__init__(counts, taxonomy)
        self._namesakes = nodes_by_name(taxonomy)
        self._tags: dict[str, _Tag] = {}

    @staticmethod
    def keys(product: Product) -> list[str]:
        """Return the folded tags."""
        return list(dict.fromkeys(key for tag in product.tag_list() if (key := fold(tag))))

    def score(self, batch: Batch) -> SparseScores:
        """Score by shares; the context is (log(1 + count), largest share) of the most focused tag."""
        owners, nodes, values = [0], [np.empty(0, np.int32)], [np.empty(0)]
        total = np.ones(len(batch))
        context = np.zeros((len(batch), 2), np.float32)
        for product, item in enumerate(batch.products):
            of_keys = [self._look_up(key, batch.statistics.weights("tag", key)) for key in self.keys(item)]
            tags = [tag for tag in of_keys if tag.weight]
            if not tags:
                continue
            if len(tags) > _MOST_TAGS:
                tags = sorted(tags, key=lambda tag: -tag.weight)[:_MOST_TAGS]
            total[product] = sum(tag.weight for tag in tags)
            context[product] = max((tag.context for tag in tags), key=lambda found: found[::-1])
            owners += [product] * len(tags)
            nodes += [tag.nodes for tag in tags]
            values += [tag.shares for tag in tags]
        products = np.repeat(np.array(owners), [len(part) for part in nodes])
        keys, weights = summed(products, np.concatenate(nodes), np.concatenate(values))
        return SparseScores(keys, (weights / total[keys >> 32]).astype(np.float32), context)

    def _look_up(self, key: str, learned: CategoryWeights) -> _Tag:
        found = self._tags.get(key)
        if found is None or found.learned is not learned:
            if len(self._tags) >= REMEMBERED_TEXTS:
                self._tags.clear()
            found = self._tags[key] = self._map(key, learned)
        return found

    def _map(self, key: str, learned: CategoryWeights) -> _Tag:
        counted = add_counts(self._counts[key], self.of_nodes(learned))
        context = focus(counted)
        weight = context[1] ** 2
        row = shares(counted)
        if not counted and (namesakes := self._namesakes.get(key)):
            weight = _NAMESAKE_WEIGHT
            row = dict.fromkeys(namesakes, 1 / len(namesakes))
        return _Tag(np.array(list(row), np.int32), weight * np.array(list(row.values())), weight, context, learned)
