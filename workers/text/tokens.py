"""Words of a text."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from typing import Final

_WORD: Final = re.compile(r"[^\W_]+")
# Variation selectors: how a sign is to be drawn.
_VARIANTS: Final = re.compile("[\ufe00-\ufe0f\U000e0100-\U000e01ef]")
# Shops and networks use the same few texts over and over.
_TEXTS_CACHED: Final = 10_000


def words(text: str, limit: int | None = None) -> list[str]:
    """Return the words of a text, normalised (Unicode NFKC) and case-folded; at most ``limit``."""
    if not text.isascii():
        text = unicodedata.normalize("NFKC", text)
    found: list[str] = _WORD.findall(text.casefold())
    return found if limit is None else found[:limit]


def identity(text: str) -> str:
    """Return what texts have in common that differ in case, punctuation and white space alone.

    Words leave out the vowel signs of Indic scripts; here they tell texts apart. A text of signs alone is itself.
    """
    if text.isascii():
        return " ".join(words(text)) or " ".join(text.split())
    folded = unicodedata.normalize("NFKC", text).casefold()
    kept = "".join(each if unicodedata.category(each)[0] in "LMN" else " " for each in _VARIANTS.sub("", folded))
    return " ".join(kept.split()) or " ".join(folded.split())


@lru_cache(_TEXTS_CACHED)
def fold(text: str) -> str:
    """Return a text's words, normalised: the form under which short texts and names of categories are compared."""
    return " ".join(words(text))


def character_ngrams(word: str, shortest: int, longest: int) -> list[str]:
    """Return the character n-grams of one word, its edges marked by spaces.

    A word shorter than n gives itself once a length, as in scikit-learn's ``char_wb`` analyser.
    """
    marked = f" {word} "
    grams: list[str] = []
    for length in range(shortest, longest + 1):
        grams.extend(marked[start : start + length] for start in range(max(1, len(marked) - length + 1)))
        if length >= len(marked):
            break
    return grams
