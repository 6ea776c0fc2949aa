"""Hold out whole stores, to measure decisions on products of new stores.

Folds of products cannot show this, because nearly every product's store also occurs in the other folds. Only the
signals do not know the held-out stores. The ranker, which sees no store by name, has learned from other products
of them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from schemas.events.product import Product
from workers.arrays.segments import position_in_group
from workers.fit.out_of_fold import OutOfFold
from workers.signals.store_cooccurrence import StoreCooccurrence

FEWEST_STORES: Final = 100
"""With fewer stores, they say too little about the next one."""

_TURNS: Final = 3
# A store with a larger share of the products is not held out: without it, a different model would be judged.
_LARGEST: Final = 0.1
# With more products of one store, the figures would mostly be about that store.
_ASKED_OF_A_STORE: Final = 50


@dataclass(frozen=True, slots=True)
class StoresHeldOut:
    """One turn: ``known`` bool (n,) are the products to learn from, ``asked`` intp (m,) those to test on.

    ``stores`` int64 (m,) are the numbers of the stores of the latter.
    """

    known: NDArray[np.bool_]
    asked: NDArray[np.intp]
    stores: NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class OfNewStores:
    """Candidates of the products ``asked`` in one turn, from signals that learned from the ``known`` products.

    ``known`` bool (n,) is in the order of the out-of-fold products; ``stores`` as in :class:`StoresHeldOut`.
    """

    asked: OutOfFold
    known: NDArray[np.bool_]
    stores: NDArray[np.int64]


def names_stores(products: Sequence[Product]) -> bool:
    """Return whether most products name a store; otherwise stores do not show what is new."""
    return 2 * sum(bool(StoreCooccurrence.keys(product)) for product in products) > len(products)


def hold_out_stores(products: Sequence[Product]) -> list[StoresHeldOut]:
    """Return three turns that hold out each store once, except very large ones; each has stores of all sizes.

    There are none if most products name no store, or if few stores can be held out. A product of several stores is
    not learned from in the turn of any of them, and counts for the smallest. At most fifty products of each store
    are asked about.
    """
    of_product = [StoreCooccurrence.keys(product) for product in products]
    sizes = Counter(store for stores in of_product for store in stores)
    largest = _LARGEST * len(products)
    stores = [store for store in sizes if sizes[store] <= largest]
    if not names_stores(products) or len(stores) < FEWEST_STORES:
        return []
    by_size = sorted(stores, key=lambda store: (-sizes[store], store))
    number = {store: index for index, store in enumerate(by_size)}
    numbers = [[number[store] for store in stores if store in number] for stores in of_product]
    return [_turn(numbers, turn) for turn in range(_TURNS)]


def _turn(numbers: Sequence[Sequence[int]], turn: int) -> StoresHeldOut:
    """Hold out every third store; ``numbers`` are those of each product's stores, larger stores first."""
    known = np.array([all(each % _TURNS != turn for each in own) for own in numbers], np.bool_)
    smallest = np.array([max(own, default=-1) for own in numbers], np.int64)
    asked = np.flatnonzero((smallest >= 0) & (smallest % _TURNS == turn))
    drawn = np.random.default_rng(turn).permutation(asked)
    drawn = drawn[np.argsort(smallest[drawn], kind="stable")]
    asked = np.sort(drawn[position_in_group(smallest[drawn]) < _ASKED_OF_A_STORE])
    return StoresHeldOut(known, asked, smallest[asked])
