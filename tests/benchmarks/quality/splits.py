"""Which products a method may learn from and which it is tried on. Equal titles are always on one side."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from schemas.events.product import Product
from schemas.taxonomy import Taxonomy
from tests.benchmarks.quality.datasets import Catalogue
from workers.arrays.segments import places
from workers.fit.folds import assign_folds
from workers.fit.labels import LabelledProducts
from workers.text.tokens import words

CURVE: Final = (0, 10, 100, 1_000)
"""How many labelled products the learning curves have, before all."""

_ONE_IN: Final = 5
# A shop of a third of the catalogue would make a test side of one shop.
_LARGEST_TEST_SIDE: Final = 0.25
_MOST_LABELLED: Final = 30


@dataclass(frozen=True, slots=True)
class Problem:
    """A tree, products to learn from, products to be tried on, and the nodes that products may be in."""

    name: str
    taxonomy: Taxonomy
    training: LabelledProducts
    test: LabelledProducts
    observed: NDArray[np.int32]


def split_names(catalogue_splits: Sequence[str], *, curve: bool) -> list[str]:
    """Return the splits of a catalogue: ``random``, its own, and ``labels-N`` where there is a learning curve."""
    return ["random", *catalogue_splits, *(f"labels-{count}" for count in CURVE if curve)]


def make_problem(catalogue: Catalogue, split: str, seed: int) -> Problem:
    """Split a catalogue; raises :class:`ValueError` where there is no split of this name.

    ``random``: a fifth of the titles is the test side. ``labels-N``: the same test side, and N products drawn from
    the training side, the first N of one order, so that fewer are always among the more. ``shops`` and ``brands``:
    no shop or brand is on both sides, and of titles that are on both the training side loses its products.
    ``shops-N``: of the shops of such a test side N products are learned from, of those after the first 30 each.
    """
    products = catalogue.products.products
    if split in _KEYS:
        training, test = _disjoint(products, _KEYS[split], seed)
    elif split.startswith("shops-"):
        training, test = _partly_labelled(products, int(split.removeprefix("shops-")), seed)
    else:
        on_test_side = assign_folds(products, _ONE_IN, seed) == 0
        training, test = np.flatnonzero(~on_test_side), np.flatnonzero(on_test_side)
        if split.startswith("labels-"):
            training = np.sort(
                np.random.default_rng(seed).permutation(training)[: int(split.removeprefix("labels-"))]
            )
        elif split != "random":
            raise ValueError(f"no split {split!r}; name random, shops, shops-N, brands or labels-N")
    return Problem(
        f"{catalogue.dataset.name}/{split}-{seed}",
        catalogue.taxonomy,
        catalogue.products.take(training),
        catalogue.products.take(test),
        catalogue.observed,
    )


def _shop(product: Product) -> str:
    return product.stores[0].casefold() if product.stores else ""


def _brand(product: Product) -> str:
    return " ".join(words(product.brand or ""))


_KEYS: Final[dict[str, Callable[[Product], str]]] = {"shops": _shop, "brands": _brand}


def _disjoint(
    products: Sequence[Product], key: Callable[[Product], str], seed: int
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Draw keys until the test side has a fifth of the products; those that would make it too large are left."""
    names, group, sizes = np.unique(
        [key(product) for product in products], return_inverse=True, return_counts=True
    )
    chosen = np.zeros(len(names), np.bool_)
    taken = 0
    for name in np.random.default_rng(seed).permutation(len(names)):
        if taken * _ONE_IN >= len(products):
            break
        if taken + sizes[name] <= _LARGEST_TEST_SIDE * len(products):
            chosen[name] = True
            taken += int(sizes[name])
    test = np.flatnonzero(chosen[group])
    return _apart(products, np.flatnonzero(~chosen[group]), test), test


def _partly_labelled(
    products: Sequence[Product], labelled: int, seed: int
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Learn from so many products of each shop of the test side; the first 30 are tried on in no case."""
    training, test = _disjoint(products, _shop, seed)
    test = np.random.default_rng(seed).permutation(test)
    shops = np.unique([_shop(products[row]) for row in test.tolist()], return_inverse=True)[1]
    order = np.argsort(shops, kind="stable")
    place = np.empty(len(test), np.intp)
    place[order] = places(shops[order])
    beyond = np.sort(test[place >= _MOST_LABELLED])
    return _apart(products, np.concatenate([training, np.sort(test[place < labelled])]), beyond), beyond


def _apart(products: Sequence[Product], training: NDArray[np.intp], test: NDArray[np.intp]) -> NDArray[np.intp]:
    """Return the training side without titles of the test side."""
    titles = {tuple(words(products[row].title)) for row in test.tolist()}
    apart = [tuple(words(products[row].title)) not in titles for row in training.tolist()]
    return training[apart]
