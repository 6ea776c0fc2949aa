"""Signal: the category text that the brand or shop itself uses."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

from schemas.events.product import Product
from workers.signals.mapped_text import REMEMBERED_TEXTS, MappedText
from workers.text.tokens import fold

_SEPARATORS: Final = re.compile(r"[>|/»,]")


class MerchantCategory(MappedText):
    """Maps the whole text or, failing that, its last part: "Lamps" for "Home > Sale > Lamps"."""

    name = "merchant_category"
    context_names: tuple[str, ...] = ("merchant_category_log_count", "merchant_category_focus")

    @staticmethod
    def keys(product: Product) -> list[str]:
        """Return the whole text, then its last part."""
        return list(_keys(product.merchant_category or ""))


@lru_cache(REMEMBERED_TEXTS)
def _keys(text: str) -> tuple[str, ...]:
    parts = [part for part in map(fold, _SEPARATORS.split(text)) if part]
    return tuple(dict.fromkeys([fold(text), parts[-1]])) if parts else ()
