"""Split and normalise text into words and character n-grams."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from typing import Final

_WORD: Final = re.compile(r"[^\W_]+")
# Variation selectors, which only say how a character is drawn.
_VARIANTS: Final = re.compile("[\ufe00-\ufe0f\U000e0100-\U000e01ef]")
# Shops and networks use the same few texts over and over.
_TEXTS_CACHED: Final = 10_000


def words(text: str, limit: int | None = None) -> list[str]:
    """Return the words of a text, normalised (Unicode NFKC) and case-folded; only the first ``limit`` if given."""
    if not text.isascii():
        text = unicodedata.normalize("NFKC", text)
    found: list[str] = _WORD.findall(text.casefold())
    return found if limit is None else found[:limit]


def identity(text: str) -> str:
    """Return a form that is equal for texts that differ only in case, punctuation and white space.

    Unlike :func:`words`, it keeps the vowel signs of Indic scripts, so texts that differ in them stay different.
    A text without letters, marks or numbers keeps its symbols.
    """
    if text.isascii():
        return " ".join(words(text)) or " ".join(text.split())
    folded = unicodedata.normalize("NFKC", text).casefold()
    kept = "".join(each if unicodedata.category(each)[0] in "LMN" else " " for each in _VARIANTS.sub("", folded))
    return " ".join(kept.split()) or " ".join(folded.split())


@lru_cache(_TEXTS_CACHED)
def fold(text: str) -> str:
    """Return the normalised words of a text, the form in which short texts and category names are compared."""
    return " ".join(words(text))


def character_ngrams(word: str, shortest: int, longest: int) -> list[str]:
    """Return the character n-grams of one word, with its edges marked by spaces.

    A word that is too short for a length is returned once as it is, as by scikit-learn's ``char_wb`` analyser.
    """
    marked = f" {word} "
    grams: list[str] = []
    for length in range(shortest, longest + 1):
        grams.extend(marked[start : start + length] for start in range(max(1, len(marked) - length + 1)))
        if length >= len(marked):
            break
    return grams
