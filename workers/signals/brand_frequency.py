"""Signal: which categories the product's brand is found in."""

from __future__ import annotations

from schemas.events.product import Product
from schemas.events.statistics import StatisticKind
from workers.signals.live_counts import LiveCounts, context_of
from workers.statistics import normalise_key


class BrandFrequency(LiveCounts):
    """A focused brand says nearly all, a diversified one nearly nothing: the context tells them apart."""

    name = "brand_frequency"
    kind: StatisticKind = "brand"
    context_names: tuple[str, ...] = context_of(name)

    @staticmethod
    def keys(product: Product) -> list[str]:
        """Return the brand."""
        key = normalise_key(product.brand)
        return [] if key is None else [key]
