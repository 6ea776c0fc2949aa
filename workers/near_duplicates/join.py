"""An exact join of word sets on their Jaccard similarity."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np
from numpy.typing import NDArray

from workers.arrays.segments import find
from workers.near_duplicates.word_sets import Ints, WordSets

# If thousands of texts share a word that is among their rarest, the number of pairs is quadratic. Beyond this
# many, a text is compared only with those that follow it in the order of size and words (sorted neighbourhood).
_MOST_PARTNERS: Final = 300
_MOST_PARTNERS_OF_A_QUERY: Final = 10_000
_PAIRS_AT_ONCE: Final = 1_000_000
ROUNDING: Final = 1e-9
_SIGNATURE_BITS: Final = 128

Pairs = tuple[Ints, Ints, NDArray[np.float64]]


class Join:
    """Pairs of a left and a right set that are similar enough."""

    def __init__(self, left: WordSets, right: WordSets, threshold: float, *, itself: bool) -> None:
        self.threshold = threshold
        self.itself = itself
        self.left_sizes, self.right_sizes = left.sizes, right.sizes
        rank_left, rank_right, self.ranks = _rarest_first(left, right, itself=itself)
        self.left, self.left_bounds = _sorted_rows(rank_left, left, self.ranks), left.bounds
        self.right = _sorted_rows(rank_right, right, self.ranks)
        self.signature_left, self.signature_right = _signatures(left), _signatures(right)
        self.left_prefix = self._prefixes(self.left, left)
        keys, rows, positions = self._prefixes(self.right, right)
        order = np.lexsort((rows, self.right_sizes[rows], keys))
        self.right_prefix = keys[order], rows[order], positions[order]
        longest = int(max(self.left_sizes.max(initial=0), self.right_sizes.max(initial=0)))
        self.stride = longest + 2

    def _prefixes(self, keys: Ints, sets: WordSets) -> tuple[Ints, Ints, Ints]:
        """Return word, row and position of each row's prefix words; similar rows share at least one of them."""
        sizes = sets.sizes
        length = sizes - np.ceil(self.threshold * sizes - ROUNDING).astype(np.int64) + 1
        length = np.minimum(length, sizes)
        rows = np.repeat(np.arange(len(sets)), length)
        positions = _counting(length)
        return keys[sets.bounds[rows] + positions] % self.ranks, rows, positions

    def pairs(self) -> Iterator[Pairs]:
        """Yield left rows, right rows and similarities, in chunks; a pair may occur more than once."""
        words_, rows, positions = self.left_prefix
        start, stop = self._partners(words_, rows)
        ends = np.cumsum(stop - start)
        done = 0
        while done < len(rows):
            base = ends[done - 1] if done else 0
            upto = max(done + 1, int(np.searchsorted(ends, base + _PAIRS_AT_ONCE, side="right")))
            chunk = slice(done, upto)
            count = (stop - start)[chunk]
            entry = np.repeat(start[chunk], count) + _counting(count)
            left, position = np.repeat(rows[chunk], count), np.repeat(positions[chunk], count)
            yield self._verified(left, position, self.right_prefix[1][entry], self.right_prefix[2][entry])
            done = upto

    def _partners(self, words_: Ints, rows: Ints) -> tuple[Ints, Ints]:
        """Return, for each prefix word of the left, where its partners start and stop in the right prefix."""
        sizes = self.left_sizes[rows]
        index = self.right_prefix[0] * self.stride + self.right_sizes[self.right_prefix[1]]
        least = np.ceil(self.threshold * sizes - ROUNDING).astype(np.int64)
        most = np.minimum(np.floor(sizes / self.threshold + ROUNDING).astype(np.int64), self.stride - 1)
        start = np.searchsorted(index, words_ * self.stride + least, side="left")
        stop = np.searchsorted(index, words_ * self.stride + most, side="right")
        if self.itself:
            order = np.lexsort((rows, sizes, words_))
            start[order] = np.arange(1, len(rows) + 1)
            return start, np.clip(stop, start, start + _MOST_PARTNERS)
        middle = np.searchsorted(index, words_ * self.stride + sizes, side="left")
        half = _MOST_PARTNERS_OF_A_QUERY // 2
        start, stop = np.maximum(start, middle - half), np.minimum(stop, middle + half)
        return start, np.maximum(start, stop)

    def _verified(self, left: Ints, left_position: Ints, right: Ints, right_position: Ints) -> Pairs:
        a, b = self.left_sizes[left], self.right_sizes[right]
        needed = np.ceil(self.threshold / (1 + self.threshold) * (a + b) - ROUNDING).astype(np.int64)
        before = np.minimum(left_position, right_position)
        possible = before + np.minimum(a - left_position, b - right_position) >= needed
        left, right, a, b, needed = (part[possible] for part in (left, right, a, b, needed))
        apart = np.bitwise_count(self.signature_left[left] ^ self.signature_right[right]).sum(axis=1)
        possible = (a + b - apart) // 2 >= needed
        key = np.unique(left[possible] * len(self.right_sizes) + right[possible])
        left, right = key // max(1, len(self.right_sizes)), key % max(1, len(self.right_sizes))
        shared = self._shared(left, right)
        similarity = shared / (self.left_sizes[left] + self.right_sizes[right] - shared)
        similar = similarity >= self.threshold - ROUNDING
        return left[similar], right[similar], similarity[similar]

    def _shared(self, left: Ints, right: Ints) -> Ints:
        """Count the words that two rows share; rows are sorted, so each word of the left one is looked up."""
        sizes = self.left_sizes[left]
        entries = np.repeat(self.left_bounds[left], sizes) + _counting(sizes)
        wanted = np.repeat(right, sizes) * self.ranks + self.left[entries] % self.ranks
        _, shared = find(self.right, wanted)
        hits = np.concatenate([[0], np.cumsum(shared)])
        ends = np.cumsum(sizes)
        return np.asarray(hits[ends] - hits[ends - sizes], np.int64)


def _rarest_first(left: WordSets, right: WordSets, *, itself: bool) -> tuple[Ints, Ints, int]:
    """Number the words from rare to common; return the numbers of both sides, and how many words there are."""
    both = left.values if itself else np.concatenate([left.values, right.values])
    _, inverse, counts = np.unique(both, return_inverse=True, return_counts=True)
    rank = np.empty(len(counts), np.int64)
    rank[np.argsort(counts, kind="stable")] = np.arange(len(counts))
    ranked = rank[inverse]
    cut = len(left.values)
    return ranked[:cut], ranked if itself else ranked[cut:], max(1, len(counts))


def _sorted_rows(ranks: Ints, sets: WordSets, count: int) -> Ints:
    """Return ``row * count + rank``, ascending: the words of each row, rarest first."""
    rows = np.repeat(np.arange(len(sets)), sets.sizes)
    return np.sort(rows * count + ranks)


def _signatures(sets: WordSets) -> NDArray[np.uint64]:
    """Return 128 bits per row, uint64 (n, 2).

    Each word flips one bit, so at most as many bits differ between two rows as words do.
    """
    rows = np.repeat(np.arange(len(sets)), sets.sizes)
    bit = (sets.values % np.uint64(_SIGNATURE_BITS)).astype(np.int64)
    signature = np.zeros((len(sets), 2), np.uint64)
    np.bitwise_xor.at(signature, (rows, bit // 64), np.uint64(1) << (bit % 64).astype(np.uint64))
    return signature


def _counting(lengths: Ints) -> Ints:
    """Return 0, 1, ... up to each length (exclusive), one sequence after the other."""
    ends = np.cumsum(lengths)
    return np.arange(ends[-1] if len(ends) else 0) - np.repeat(ends - lengths, lengths)
