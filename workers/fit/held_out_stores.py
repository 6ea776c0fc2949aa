"""Stores held out, whole or but for a few products: how the model does in shops that it knows little of.

Folds of products cannot tell: nearly every product's store is among the other folds too.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Final

import numpy as np
from numpy.typing import NDArray

from schemas.events.product import Product
from workers.fit.out_of_fold import OutOfFold
from workers.signals.store_cooccurrence import StoreCooccurrence

_ROUNDS: Final = 3
# Of every other store that is held out, so many products are left to learn from.
_LEFT: Final = (0, 5)
FEWEST_STORES: Final = 30
"""With decisions in fewer stores nothing is said of stores."""


@dataclass(frozen=True, slots=True)
class StoreSplit:
    """``known`` bool (n,), the products to learn from, and ``asked`` intp (m,), those to be tried on.

    ``stores`` int64 (m,) are the stores held out of the latter, by number; of several, one.
    """

    known: NDArray[np.bool_]
    asked: NDArray[np.intp]
    stores: NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class LittleKnown:
    """Candidates of the ``asked`` by signals that learned from the ``known`` of n products, bool (n,).

    ``stores`` int64 are those of the former, as of :class:`StoreSplit`.
    """

    asked: OutOfFold
    known: NDArray[np.bool_]
    stores: NDArray[np.int64]


def split_stores(products: Sequence[Product], seed: int) -> list[StoreSplit]:
    """Return three splits, each with a third of the stores held out, large and small ones alike.

    None where half of the products or more name no store, or there are too few of those that nothing is left of.
    What a store that is held out sells is never learned from, but for the few products that are left of it.
    """
    stores = [StoreCooccurrence.keys(product) for product in products]
    sizes = Counter(store for each in stores for store in each)
    if 2 * sum(map(bool, stores)) <= len(products) or len(sizes) < len(_LEFT) * FEWEST_STORES:
        return []
    by_size = sorted(sizes, key=lambda store: (-sizes[store], store))
    left = {store: _LEFT[place // _ROUNDS % len(_LEFT)] for place, store in enumerate(by_size)}
    drawn = np.random.default_rng(seed).permutation(len(products)).tolist()
    number = {store: place for place, store in enumerate(by_size)}
    return [
        _split(stores, dict(islice(number.items(), turn, None, _ROUNDS)), left, drawn) for turn in range(_ROUNDS)
    ]


def _split(
    stores: Sequence[Sequence[str]], held_out: dict[str, int], left: dict[str, int], drawn: Iterable[int]
) -> StoreSplit:
    """Hold stores out, given by number; of each the first products drawn, as many as are ``left``, stay known."""
    known = np.array([held_out.keys().isdisjoint(each) for each in stores], np.bool_)
    taken: Counter[str] = Counter()
    for product in drawn:
        own = held_out.keys() & stores[product]
        if own and all(taken[store] < left[store] for store in own):
            taken.update(own)
            known[product] = True
    asked = np.flatnonzero(~known)
    numbers = [min(held_out[store] for store in stores[row] if store in held_out) for row in asked.tolist()]
    return StoreSplit(known, asked, np.array(numbers, np.int64))
