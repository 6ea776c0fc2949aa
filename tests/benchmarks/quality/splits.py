"""Split products into those to learn from and those to test on. Equal titles are always on the same side."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from schemas.events.product import Product
from schemas.taxonomy import Taxonomy
from tests.benchmarks.quality.datasets import Catalogue
from workers.arrays.segments import position_in_group
from workers.fit.folds import assign_folds
from workers.fit.labels import LabelledProducts
from workers.text.tokens import words

CURVE: Final = (0, 10, 100, 1_000)
"""The numbers of labelled products in the learning curves, before all of them."""

_ONE_IN: Final = 5
# A shop with a third of the catalogue would be a whole test side.
_LARGEST_TEST_SIDE: Final = 0.25
_MOST_LABELLED: Final = 30


@dataclass(frozen=True, slots=True)
class Problem:
    """A tree, products to learn from, products to test on, and the nodes that products may be in."""

    name: str
    taxonomy: Taxonomy
    training: LabelledProducts
    test: LabelledProducts
    observed: NDArray[np.int32]


def split_names(catalogue_splits: Sequence[str], *, curve: bool) -> list[str]:
    """Return the splits of a catalogue: ``random``, its own, and ``labels-N`` if there is a learning curve."""
    return ["random", *catalogue_splits, *(f"labels-{count}" for count in CURVE if curve)]


def make_problem(catalogue: Catalogue, split: str, seed: int) -> Problem:
    """Split a catalogue; raises :class:`ValueError` for an unknown split.

    ``random``: a fifth of the titles is the test side. ``labels-N``: the same test side, and the first N products
    of a random order of the training side, so that smaller training sides are subsets of larger ones. ``shops``
    and ``brands``: no shop or brand is on both sides; training products with a title of the test side are removed.
    ``shops-N``: as ``shops``, but the first N products of each shop of the test side are learned from, and those
    after the first 30 are tested.
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
    """Draw keys until the test side has a fifth of the products, skipping keys that would make it too large."""
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
    """Learn from ``labelled`` products of each test shop; the first 30 of each shop are never tested."""
    training, test = _disjoint(products, _shop, seed)
    test = np.random.default_rng(seed).permutation(test)
    shops = np.unique([_shop(products[row]) for row in test.tolist()], return_inverse=True)[1]
    order = np.argsort(shops, kind="stable")
    number_in_shop = np.empty(len(test), np.intp)
    number_in_shop[order] = position_in_group(shops[order])
    beyond = np.sort(test[number_in_shop >= _MOST_LABELLED])
    return _apart(products, np.concatenate([training, np.sort(test[number_in_shop < labelled])]), beyond), beyond


def _apart(products: Sequence[Product], training: NDArray[np.intp], test: NDArray[np.intp]) -> NDArray[np.intp]:
    """Return the training side without titles of the test side."""
    titles = {tuple(words(products[row].title)) for row in test.tolist()}
    apart = [tuple(words(products[row].title)) not in titles for row in training.tolist()]
    return training[apart]
