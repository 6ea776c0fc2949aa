"""Signal: the category that the affiliate network gave the product."""

from __future__ import annotations

from schemas.events.product import Product
from workers.signals.mapped_text import MappedText
from workers.text.tokens import fold


class AffiliateCategory(MappedText):
    """Maps (network, category) or, failing that, the category alone: networks use the same words differently."""

    name = "affiliate_category"
    context_names: tuple[str, ...] = ("affiliate_category_log_count", "affiliate_category_focus")

    @staticmethod
    def keys(product: Product) -> list[str]:
        """Return the category with its network, then the category alone."""
        if product.affiliate is None or not (category := fold(product.affiliate.category or "")):
            return []
        return [f"{fold(product.affiliate.network or '')}\n{category}", category]
