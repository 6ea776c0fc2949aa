"""The leak audit: test products that a model was fitted on, or whose near-duplicates it was fitted on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from schemas.events.product import Product
from workers.bundle.training import TrainingFingerprint
from workers.near_duplicates import THRESHOLD, most_similar

_SHOWN: Final = 5


@dataclass(frozen=True, slots=True)
class LeakExample:
    """A product and the training product that it resembles, as an index from 0 into the training products."""

    product_id: str
    title: str
    training_product: int
    similarity: float


@dataclass(frozen=True, slots=True)
class Leaks:
    """How many of the products leaked into one bundle.

    Attributes:
        training_products: number of products the bundle was fitted on; ``None`` if it does not say.
        exact: products with the title and brand of a training product.
        near: other products whose title is a near-duplicate of a training product's.
        examples: at most five.
    """

    training_products: int | None
    exact: int
    near: int
    examples: tuple[LeakExample, ...]


def find_leaks(
    training: TrainingFingerprint | None, products: Sequence[Product]
) -> tuple[Leaks, NDArray[np.bool_]]:
    """Return the audit of products against a bundle's training products, and which of them leaked, bool (n,).

    Titles are near-duplicates if their words (the first 32) have a Jaccard similarity of at least ``THRESHOLD``.
    """
    if training is None:
        return Leaks(None, 0, 0, ()), np.zeros(len(products), bool)
    own = TrainingFingerprint.of(products)
    exact = np.isin(own.identities, training.identities)
    found, similarity = most_similar(training.titles, own.titles, THRESHOLD)
    leaked = exact | (found >= 0)
    examples = tuple(
        LeakExample(products[i].product_id, products[i].title, int(found[i]), round(float(similarity[i]), 3))
        for i in np.flatnonzero(leaked & (found >= 0))[:_SHOWN]
    )
    return Leaks(len(training), int(exact.sum()), int((leaked & ~exact).sum()), examples), leaked
