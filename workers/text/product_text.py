"""Which words of a product each reader of text sees."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from schemas.events.product import Product
from schemas.taxonomy.tree import Taxonomy

# A shop's boilerplate sits at the end of its descriptions, and cost grows with length.
_DESCRIPTION_CHARACTERS: Final = 600


def embedding_text(product: Product) -> str:
    """Return what is compared with categories: title, and merchant's text, which says the kind of thing."""
    return " ".join(filter(None, (product.title, product.merchant_category)))


def branded_text(product: Product) -> str:
    """Return what is compared with other products: those of one brand are more alike than their titles say."""
    return " ".join(filter(None, (product.title, product.brand, product.merchant_category)))


def description_text(product: Product) -> str:
    """Return the beginning of the description; empty where there is none."""
    return (product.description or "")[:_DESCRIPTION_CHARACTERS]


def category_texts(taxonomy: Taxonomy) -> tuple[list[str], list[str]]:
    """Return each node's name, and its names from the root on: a name may stand in several places of a tree."""
    return list(taxonomy.names), [" ".join(path) for path in taxonomy.paths]


def _title(product: Product) -> str:
    return product.title


def _context(product: Product) -> str:
    affiliate = product.affiliate.category if product.affiliate else None
    return " ".join(filter(None, (product.brand, product.merchant_category, affiliate)))


def _description(product: Product) -> str:
    attributes = " ".join(chunk for pair in product.attributes.items() for chunk in pair)
    return f"{description_text(product)} {attributes[:_DESCRIPTION_CHARACTERS]}"


FIELDS: Final[dict[str, Callable[[Product], str]]] = {
    "title": _title,
    "context": _context,
    "description": _description,
}
"""The fields whose words are features apart: a word in a title is not the word in a description."""
