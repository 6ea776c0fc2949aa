"""Signal: the categories in which the product's brand occurs."""

from __future__ import annotations

from schemas.events.product import Product
from schemas.events.statistics import StatisticKind
from workers.signals.live_counts import LiveCounts, context_of
from workers.statistics import normalise_key


class BrandFrequency(LiveCounts):
    """Scores categories by how often the brand occurs in them.

    A focused brand is strong evidence, a diversified one hardly any; the context tells the two apart.
    """

    name = "brand_frequency"
    kind: StatisticKind = "brand"
    context_names: tuple[str, ...] = context_of(name)

    @staticmethod
    def keys(product: Product) -> list[str]:
        """Return the normalised brand, if there is one."""
        key = normalise_key(product.brand)
        return [] if key is None else [key]
