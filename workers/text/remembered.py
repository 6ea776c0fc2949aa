"""What is found of words, remembered, as the words of a catalogue repeat."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Final, TypeVar

Found = TypeVar("Found")

_WORDS: Final = 200_000
# A title of one word of 2,000 characters does not come again, and 200,000 such words would take gigabytes.
LONGEST: Final = 64


def remembered(find: Callable[[str], Found]) -> Callable[[str], Found]:
    """Return ``find`` with what it found of the latest 200,000 words of up to 64 characters kept."""
    known = lru_cache(_WORDS)(find)

    def ask(word: str) -> Found:
        return known(word) if len(word) <= LONGEST else find(word)

    return ask
