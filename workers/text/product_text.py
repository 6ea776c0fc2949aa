"""The texts of a product that encoders and n-gram features read."""

from __future__ import annotations

import html
import re
import unicodedata
from collections.abc import Callable
from typing import Final

from schemas.events.product import Product
from schemas.taxonomy.tree import Taxonomy

# Shops put boilerplate at the end of descriptions, and the cost grows with the length.
_DESCRIPTION_CHARACTERS: Final = 600
# The semicolon is required; otherwise "&not" and others would be decoded inside brand names.
_REFERENCE: Final = re.compile(r"&#?\w{1,31};")
# Soft hyphen, word joiner and byte order mark. The zero-width space is kept: it separates words in scripts that
# have no other separator.
_WITHIN_WORDS: Final = re.compile("[\u00ad\u2060\ufeff]")


def embedding_text(product: Product) -> str:
    """Return the text that is compared with categories.

    It is the title and the merchant's category text, which says what kind of thing the product is.
    """
    return _joined(product.title, product.merchant_category)


def branded_text(product: Product) -> str:
    """Return the text that is compared with other products.

    It includes the brand, because products of one brand are more alike than their titles suggest.
    """
    return _joined(product.title, product.brand, product.merchant_category)


def description_text(product: Product) -> str:
    """Return the beginning of the description, or an empty text if there is none."""
    return _plain((product.description or "")[:_DESCRIPTION_CHARACTERS])


def category_texts(taxonomy: Taxonomy) -> tuple[list[str], list[str]]:
    """Return each node's name and each node's full path, because a name may occur in several places of a tree."""
    return list(taxonomy.names), [" ".join(path) for path in taxonomy.paths]


def _joined(*parts: str | None) -> str:
    return _plain(" ".join(filter(None, parts)))


def _plain(text: str) -> str:
    """Return the text with HTML character references decoded and invisible characters inside words removed.

    Letters and their accents are composed (Unicode NFC): macOS may write them apart, as encoders seldom read them.
    """
    if "&" in text:
        text = _REFERENCE.sub(lambda found: html.unescape(found[0]), text)
    return text if text.isascii() else unicodedata.normalize("NFC", _WITHIN_WORDS.sub("", text))


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
"""The fields with separate features: a word in a title is not the same feature as that word in a description."""
