"""Texts as sets of hashed words."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from workers.text.tokens import word_parts

Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class WordSets:
    """The words of n texts as hashes; in scripts without spaces, pairs of characters take the place of words.

    ``values`` is uint64; those at ``bounds[i]:bounds[i + 1]`` belong to text i, in ascending order. ``bounds`` is
    int64 (n + 1,). The k-th occurrence of a word in a text has its own hash, so a set of hashes represents a
    multiset of words.
    """

    bounds: Ints
    values: NDArray[np.uint64]

    @classmethod
    def of(cls, texts: Sequence[str], limit: int | None = None) -> WordSets:
        """Hash the words of each text, or only its first ``limit`` words, with 64 bits of BLAKE2b per word."""
        known: dict[tuple[str, int], int] = {}
        rows: list[list[int]] = []
        for text in texts:
            counts = Counter(word_parts(text, limit))
            keys = ((word, number) for word, count in counts.items() for number in range(count))
            rows.append(sorted(known.get(key) or known.setdefault(key, _hash(*key)) for key in keys))
        bounds = np.concatenate([[0], np.cumsum([len(row) for row in rows])]).astype(np.int64)
        return cls(bounds, np.array([value for row in rows for value in row], np.uint64))

    def __len__(self) -> int:
        return len(self.bounds) - 1

    @property
    def sizes(self) -> Ints:
        """The number of words of each text, int64 (n,)."""
        return np.diff(self.bounds)

    def row(self, text: int) -> NDArray[np.uint64]:
        """Return the hashes of one text."""
        return self.values[self.bounds[text] : self.bounds[text + 1]]

    def take(self, rows: Sequence[int]) -> WordSets:
        """Return some of the texts."""
        bounds = np.concatenate([[0], np.cumsum(self.sizes[np.array(rows, np.int64)])]).astype(np.int64)
        parts = [self.row(row) for row in rows]
        return WordSets(bounds, np.concatenate(parts) if parts else np.empty(0, np.uint64))


def _hash(word: str, number: int) -> int:
    # Zero would be mistaken for a word that is not known yet.
    return int.from_bytes(hashlib.blake2b(f"{word}\0{number}".encode(), digest_size=8).digest(), "big") or 1
