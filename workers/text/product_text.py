"""Which words of a product each reader of text sees."""

from __future__ import annotations

import html
import re
from collections.abc import Callable
from typing import Final

from schemas.events.product import Product
from schemas.taxonomy.tree import Taxonomy

# A shop's boilerplate sits at the end of its descriptions, and cost grows with length.
_DESCRIPTION_CHARACTERS: Final = 600
# With a semicolon: without one "&not" and others would be read in names of brands.
_REFERENCE: Final = re.compile(r"&#?\w{1,31};")
# Where a word may be broken, or must not be, and the mark of a byte order. A zero-width space stays: it is between
# words, in scripts that have no other.
_WITHIN_WORDS: Final = re.compile("[\u00ad\u2060\ufeff]")


def embedding_text(product: Product) -> str:
    """Return what is compared with categories: title, and merchant's text, which says the kind of thing."""
    return _joined(product.title, product.merchant_category)


def branded_text(product: Product) -> str:
    """Return what is compared with other products: those of one brand are more alike than their titles say."""
    return _joined(product.title, product.brand, product.merchant_category)


def description_text(product: Product) -> str:
    """Return the beginning of the description; empty where there is none."""
    return _plain((product.description or "")[:_DESCRIPTION_CHARACTERS])


def category_texts(taxonomy: Taxonomy) -> tuple[list[str], list[str]]:
    """Return each node's name, and its names from the root on: a name may stand in several places of a tree."""
    return list(taxonomy.names), [" ".join(path) for path in taxonomy.paths]


def _joined(*parts: str | None) -> str:
    return _plain(" ".join(filter(None, parts)))


def _plain(text: str) -> str:
    """Return a text with HTML's character references read, and without characters that nobody sees in a word."""
    if "&" in text:
        text = _REFERENCE.sub(lambda found: html.unescape(found[0]), text)
    return text if text.isascii() else _WITHIN_WORDS.sub("", text)


def _title(product: Product) -> str:
    return _plain(product.title)


def _context(product: Product) -> str:
    affiliate = product.affiliate.category if product.affiliate else None
    return _joined(product.brand, product.merchant_category, affiliate)


def _description(product: Product) -> str:
    attributes = " ".join(chunk for pair in product.attributes.items() for chunk in pair)
    return f"{description_text(product)} {attributes[:_DESCRIPTION_CHARACTERS]}"


FIELDS: Final[dict[str, Callable[[Product], str]]] = {
    "title": _title,
    "context": _context,
    "description": _description,
}
"""The fields whose words are features apart: a word in a title is not the word in a description."""
