"""Whole stores held out, to see what becomes of products of new stores.

Folds of products cannot tell: nearly every product's store is among the other folds too. It is the signals that do
not know the stores held out; the ranker, which sees no store by name, has learned from other products of them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from schemas.events.product import Product
from workers.arrays.segments import places
from workers.fit.out_of_fold import OutOfFold
from workers.signals.store_cooccurrence import StoreCooccurrence

FEWEST_STORES: Final = 100
"""With fewer, what is seen of them tells too little of the next."""

_TURNS: Final = 3
# Without a store as large as that, another model would be judged.
_LARGEST: Final = 0.1
# More products of a store would tell of that store alone.
_ASKED_OF_A_STORE: Final = 50


@dataclass(frozen=True, slots=True)
class StoresHeldOut:
    """A turn: ``known`` bool (n,) are the products to learn from, ``asked`` intp (m,) those to be tried on.

    ``stores`` int64 (m,) are the stores of the latter, by number.
    """

    known: NDArray[np.bool_]
    asked: NDArray[np.intp]
    stores: NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class OfNewStores:
    """Candidates of the products ``asked`` in one turn, by signals that learned from the ``known`` ones.

    ``known`` bool (n,) is in the order of the products seen out of fold; ``stores`` as of :class:`StoresHeldOut`.
    """

    asked: OutOfFold
    known: NDArray[np.bool_]
    stores: NDArray[np.int64]


def names_stores(products: Sequence[Product]) -> bool:
    """Return whether most products name a store: else stores say nothing of what is new."""
    return 2 * sum(bool(StoreCooccurrence.keys(product)) for product in products) > len(products)


def hold_out_stores(products: Sequence[Product]) -> list[StoresHeldOut]:
    """Return three turns that hold out all stores but the very large ones, each once; in each some of any size.

    None where most products name no store, or where few stores can be held out. A product of several stores is
    not learned from in the turn of any, and stands for the smallest; of each store fifty at most are asked about.
    """
    of_product = [StoreCooccurrence.keys(product) for product in products]
    sizes = Counter(store for stores in of_product for store in stores)
    largest = _LARGEST * len(products)
    stores = [store for store in sizes if sizes[store] <= largest]
    if not names_stores(products) or len(stores) < FEWEST_STORES:
        return []
    by_size = sorted(stores, key=lambda store: (-sizes[store], store))
    number = {store: place for place, store in enumerate(by_size)}
    numbers = [[number[store] for store in stores if store in number] for stores in of_product]
    return [_turn(numbers, turn) for turn in range(_TURNS)]


def _turn(numbers: Sequence[Sequence[int]], turn: int) -> StoresHeldOut:
    """Hold out every third store; ``numbers`` are those of each product's stores, large ones first."""
    known = np.array([all(each % _TURNS != turn for each in own) for own in numbers], np.bool_)
    smallest = np.array([max(own, default=-1) for own in numbers], np.int64)
    asked = np.flatnonzero((smallest >= 0) & (smallest % _TURNS == turn))
    drawn = np.random.default_rng(turn).permutation(asked)
    drawn = drawn[np.argsort(smallest[drawn], kind="stable")]
    asked = np.sort(drawn[places(smallest[drawn]) < _ASKED_OF_A_STORE])
    return StoresHeldOut(known, asked, smallest[asked])
