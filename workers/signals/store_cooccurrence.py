"""Signal: which categories occur together with the stores that sell the product."""

from __future__ import annotations

from typing import Final

from schemas.events.product import Product
from schemas.events.statistics import StatisticKind
from workers.signals.live_counts import LiveCounts
from workers.statistics import normalise_key

LABELLED: Final = "store_cooccurrence_labelled"
"""The context column with the labelled products of a product's stores. It tells new stores, and is no feature."""


class StoreCooccurrence(LiveCounts):
    """A shop for lamps sells lamps: the categories of what else its stores sell."""

    name = "store_cooccurrence"
    kind: StatisticKind = "store"
    context_names: tuple[str, ...] = ("store_cooccurrence_log_weight", "store_cooccurrence_focus", LABELLED)

    @staticmethod
    def keys(product: Product) -> list[str]:
        """Return the stores."""
        return list(dict.fromkeys(key for store in product.stores if (key := normalise_key(store))))
