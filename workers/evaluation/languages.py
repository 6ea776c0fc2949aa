"""Recognise the language of a product's text.

Uses py3langid (BSD-3-Clause; 5 MB; needs only NumPy; its model is not a pickle), after Lui and Baldwin,
"langid.py: An Off-the-shelf Language Identification Tool" (ACL 2012). A title is mostly too short to tell, so the
beginning of the description is read too, and what remains in doubt is called unclear.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Final

from schemas.events.product import Product

UNCLEAR: Final = "unclear"
OTHER: Final = "other"
# The fewer languages there are to choose from, the fewer short texts are mistaken for Luxembourgish.
_LANGUAGES: Final = (
    *("ar", "cs", "da", "de", "el", "en", "es", "fi", "fr", "he", "hi", "hu", "id", "it", "ja", "ko"),
    *("nl", "no", "pl", "pt", "ro", "ru", "sv", "th", "tr", "uk", "vi", "zh"),
)
_SURE: Final = 0.5
_CHARACTERS: Final = 500
_RARE: Final = 0.01


def languages(products: Sequence[Product]) -> list[str]:
    """Return an ISO 639-1 code for each product, ``unclear``, or ``other`` for languages below 1 % of them."""
    from py3langid.langid import MODEL_FILE, LanguageIdentifier  # noqa: PLC0415 - loads a model of 5 MB

    identifier = LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
    identifier.set_languages(list(_LANGUAGES))
    found = []
    for product in products:
        code, probability = identifier.classify(f"{product.title} {product.description or ''}"[:_CHARACTERS])
        found.append(code if probability >= _SURE else UNCLEAR)
    counts = Counter(found)
    return [code if code == UNCLEAR or counts[code] >= _RARE * len(found) else OTHER for code in found]
