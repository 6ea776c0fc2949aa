"""What a bundle says about its training data: brands, stores, and the number of products per category."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
import orjson
from numpy.typing import NDArray

from schemas.events.product import Product
from workers.bundle.bundle import METRICS, Bundle
from workers.signals.brand_frequency import BrandFrequency
from workers.signals.store_cooccurrence import StoreCooccurrence


@dataclass(frozen=True, slots=True)
class Training:
    """``brands`` and ``stores`` are normalised keys; ``category_sizes`` int64 (nodes,) counts labelled products.

    Each is ``None`` if the bundle does not say.
    """

    brands: frozenset[str] | None
    stores: frozenset[str] | None
    category_sizes: NDArray[np.int64] | None

    @classmethod
    def of(cls, bundle: Bundle) -> Self:
        """Read it from the bundle."""
        return cls(_keys(bundle, BrandFrequency.name), _keys(bundle, StoreCooccurrence.name), _sizes(bundle))

    def brand(self, product: Product) -> str:
        """Return ``seen`` or ``new``, or ``none`` if the product names no brand."""
        return _group(BrandFrequency.keys(product), self.brands or frozenset())

    def store(self, product: Product) -> str:
        """Return ``seen`` if any of the product's stores was seen, else ``new``, or ``none`` if it names none."""
        return _group(StoreCooccurrence.keys(product), self.stores or frozenset())


def _group(keys: list[str], known: frozenset[str]) -> str:
    if not keys:
        return "none"
    return "new" if known.isdisjoint(keys) else "seen"


def _keys(bundle: Bundle, name: str) -> frozenset[str] | None:
    for signal in bundle.recall.signals:
        if signal.name == name:
            keys = signal.state().meta.get("keys")
            return None if keys is None else frozenset(keys)
    return None


def _sizes(bundle: Bundle) -> NDArray[np.int64] | None:
    """Return category sizes: the priors (shares) times the number of labelled products given in the metrics."""
    count = orjson.loads((bundle.directory / METRICS).read_bytes()).get("products")
    if not isinstance(count, int):
        return None
    return np.rint(bundle.ranking.features.record.priors.astype(np.float64) * count).astype(np.int64)
