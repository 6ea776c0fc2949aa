"""Signal: the categories that the product's stores sell."""

from __future__ import annotations

from schemas.events.product import Product
from schemas.events.statistics import StatisticKind
from workers.signals.live_counts import LiveCounts, context_of
from workers.statistics import normalise_key


class StoreCooccurrence(LiveCounts):
    """Scores categories by what else the product's stores sell: a lamp shop sells lamps."""

    name = "store_cooccurrence"
    kind: StatisticKind = "store"
    context_names: tuple[str, ...] = context_of(name)

    @staticmethod
    def keys(product: Product) -> list[str]:
        """Return the normalised stores."""
        return list(dict.fromkeys(key for store in product.stores if (key := normalise_key(store))))
