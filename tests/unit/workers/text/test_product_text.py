"""Texts as people see them."""

from __future__ import annotations

import pytest

from schemas.events.product import Product
from workers.text.product_text import FIELDS, branded_text, description_text, embedding_text


@pytest.mark.parametrize(
    ("written", "seen"),
    [
        ("Kopf\u00adh\u00f6rer", "Kopfh\u00f6rer"),
        ("\ufeffKopf\u2060h\u00f6rer", "Kopfh\u00f6rer"),
        ("Kopfh&ouml;rer &#38; Mikrofon", "Kopfh\u00f6rer & Mikrofon"),
        ("Cups &amp; Mugs", "Cups & Mugs"),
        ("Kopfho\u0308rer \u1112\u1161\u11ab", "Kopfh\u00f6rer \ud55c"),
        ("Q&not a reference; AT&T", "Q&not a reference; AT&T"),
        ("\u0e01\u200b\u0e02", "\u0e01\u200b\u0e02"),
    ],
)
def test_no_reader_of_a_text_sees_how_a_feed_wrote_it(written: str, seen: str) -> None:
    product = Product(product_id="1", title=written, description=written, brand=written)
    clean = Product(product_id="1", title=seen, description=seen, brand=seen)
    for reader in (embedding_text, branded_text, description_text, *FIELDS.values()):
        assert reader(product).strip() == reader(clean).strip()
    assert embedding_text(product) == seen
