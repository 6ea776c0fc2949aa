"""Signal: which categories occur together with the stores that sell the product."""

from __future__ import annotations

from schemas.events.product import Product
from schemas.events.statistics import StatisticKind
from workers.signals.live_counts import LiveCounts, context_of
from workers.statistics import normalise_key


class StoreCooccurrence(LiveCounts):
    """A shop for lamps sells lamps: the categories of what else its stores sell."""

    name = "store_cooccurrence"
    kind: StatisticKind = "store"
    context_names: tuple[str, ...] = context_of(name)

    @staticmethod
    def keys(product: Product) -> list[str]:
        """Return the stores."""
        return list(dict.fromkeys(key for store in product.stores if (key := normalise_key(store))))
