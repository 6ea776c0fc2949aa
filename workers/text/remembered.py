"""A bounded memory of what was computed for words, because the words of a catalogue repeat."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TypeVar

Found = TypeVar("Found")

# Words that are kept in each of two generations.
GENERATION: Final = 100_000
# A title of one word of 2,000 characters does not come again, and 200,000 such words would take gigabytes.
LONGEST: Final = 64


class _Remembered(dict[str, Found]):
    """A dictionary that computes what is missing; a lookup of what it has runs no Python code.

    When it is full, its words become the generation before, and those of them that are asked for come back.
    """

    def __init__(self, find: Callable[[str], Found]) -> None:
        super().__init__()
        self._find = find
        self._before: dict[str, Found] = {}

    def __missing__(self, word: str) -> Found:
        if len(word) > LONGEST:
            return self._find(word)
        found = self._before[word] if word in self._before else self._find(word)
        if len(self) >= GENERATION:
            self._before = dict(self)
            self.clear()
        self[word] = found
        return found


def remembered(find: Callable[[str], Found]) -> Callable[[str], Found]:
    """Return ``find`` with its results for up to 200,000 words of at most 64 characters kept in memory."""
    return _Remembered(find).__getitem__
