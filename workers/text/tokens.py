"""Split and normalise text into words and character n-grams."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from functools import lru_cache
from itertools import pairwise
from typing import Final

# Indic and Southeast Asian scripts write vowels as marks. They belong to a word, but ``\w`` does not match them.
_MARKS: Final = "".join(
    mark
    for mark in map(chr, (*range(0x900, 0x1AB0), *range(0x1B00, 0x1DC0), *range(0xA800, 0xAC00)))
    if unicodedata.category(mark) in ("Mn", "Mc")
)
_WORD: Final = re.compile(r"[^\W_]+")
_WORD_WITH_MARKS: Final = re.compile(rf"[^\W_]+(?:[{_MARKS}]+[^\W_]*)*")
# What many writers leave out: accents for which there is no composed character, the vowel points of Hebrew and
# Arabic, the Arabic elongation, and the zero-width joiner.
_OMISSIBLE: Final = re.compile(
    "[\u0300-\u036f\u0483-\u0487\u0591-\u05bd\u05bf\u05c1\u05c2\u05c4\u05c5\u05c7"
    "\u0610-\u061a\u0640\u064b-\u065f\u0670\u06d6-\u06dc\u06df-\u06e4\u06e7\u06e8\u06ea-\u06ed\u200d]"
)
# Variation selectors and the zero-width joiner, which only say how characters are drawn.
_VARIANTS: Final = re.compile("[\ufe00-\ufe0f\U000e0100-\U000e01ef\u200d]")
_CHINESE_AND_KANA: Final = (
    "\u3005-\u3007\u3040-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U000323af"
)
# Characters that each write a syllable or a whole word; the last range is Hangul.
_DENSE: Final = re.compile(rf"[{_CHINESE_AND_KANA}\uac00-\ud7a3]")
# Scripts that put no spaces between words: Chinese and Japanese, Thai and Lao, Burmese, and Khmer.
_UNSPACED: Final = rf"{_CHINESE_AND_KANA}\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff"
_WITHOUT_SPACES: Final = re.compile(f"[{_UNSPACED}]")
_RUN: Final = re.compile(f"[{_UNSPACED}]+|[^{_UNSPACED}]+")
# Shops and networks use the same few texts over and over.
_TEXTS_CACHED: Final = 10_000


def words(text: str, limit: int | None = None) -> list[str]:
    """Return the words of a text, normalised (Unicode NFKC) and case-folded; only the first ``limit`` if given.

    Accents that form no single character with their letter, and the vowel points of Hebrew and Arabic, are left
    out.
    """
    found: list[str]
    if text.isascii():
        found = _WORD.findall(text.casefold())
    else:
        found = _WORD_WITH_MARKS.findall(_OMISSIBLE.sub("", _folded(text)))
    return found if limit is None else found[:limit]


def word_parts(text: str, limit: int | None = None) -> list[str]:
    """Return the words of a text, those of scripts without spaces as overlapping pairs of characters.

    In these scripts a whole title may be one word. Only the first ``limit`` words or pairs if given.
    """
    found = words(text)
    if not text.isascii() and is_unspaced("".join(found)):
        found = [part for word in found for run in _RUN.findall(word) for part in _parts(run)]
    return found if limit is None else found[:limit]


def _parts(run: str) -> Iterable[str]:
    return map("".join, pairwise(run)) if len(run) > 1 and is_unspaced(run) else (run,)


def is_unspaced(word: str) -> bool:
    """Whether a word has characters of a script that puts no spaces between words, so it may be several words."""
    return not word.isascii() and _WITHOUT_SPACES.search(word) is not None


def identity(text: str) -> str:
    """Return a form that is equal for texts that differ only in case, punctuation and white space.

    Unlike :func:`words`, it keeps every mark, so texts that differ in their vowel points stay different. A text
    without letters, marks or numbers keeps its symbols.
    """
    if text.isascii():
        return " ".join(words(text)) or " ".join(text.split())
    folded = _folded(text)
    kept = "".join(each if unicodedata.category(each)[0] in "LMN" else " " for each in _VARIANTS.sub("", folded))
    return " ".join(kept.split()) or " ".join(folded.split())


def _folded(text: str) -> str:
    # In Turkish, I is the capital of a dotless i, and a dotted capital that of i: all of them become i.
    return unicodedata.normalize("NFKC", text).casefold().replace("i\u0307", "i").replace("\u0131", "i")


@lru_cache(_TEXTS_CACHED)
def fold(text: str) -> str:
    """Return the normalised words of a text, the form in which short texts and category names are compared."""
    return " ".join(words(text))


def character_ngrams(word: str, shortest: int, longest: int) -> list[str]:
    """Return the character n-grams of one word, with its edges marked by spaces.

    A word that is too short for a length is returned once as it is, as by scikit-learn's ``char_wb`` analyser. In
    Chinese, Japanese and Korean, where most words have one to three characters, n-grams of every length up to
    ``longest`` are returned.
    """
    grams: list[str] = []
    if not word.isascii() and _DENSE.search(word):
        # Without the edges, which every word has.
        grams, shortest = list(word), 2
    marked = f" {word} "
    for length in range(shortest, longest + 1):
        grams.extend(marked[start : start + length] for start in range(max(1, len(marked) - length + 1)))
        if length >= len(marked):
            break
    return grams
