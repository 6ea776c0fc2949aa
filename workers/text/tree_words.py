"""The words that a text shares with a tree's category names: TF-IDF with document frequencies from the tree.

Source: the vector space model, Salton, Wong and Yang (1975); plural endings are removed by the S stemmer of Harman
(1991), "How effective is suffixing?". In scripts without spaces, pairs of characters take the place of words.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache, partial
from itertools import chain
from typing import Final

import numpy as np
from numpy.typing import NDArray

from schemas.taxonomy.tree import Taxonomy
from workers.arrays.pairs import distinct, pair_keys, pairs_of
from workers.arrays.sparse_rows import SparseRows
from workers.text.ngrams import weigh
from workers.text.remembered import remembered
from workers.text.tokens import word_parts

# A category's own name says what is in it, the names above say where it is.
_WEIGHT_OF_PARENTS: Final = 0.5
# Texts that share less with a category share only words like "home" or "accessories", as with a thousand others.
_LEAST: Final = 0.1


class TreeWords:
    """The words of each listed node of a tree: those of its name and of the names above it."""

    def __init__(self, taxonomy: Taxonomy) -> None:
        self._taxonomy = taxonomy
        self._nodes = np.flatnonzero(taxonomy.is_listed).astype(np.int32)
        paths = [taxonomy.paths[node] for node in self._nodes.tolist()]
        texts = [*(path[-1] for path in paths), *(" ".join(path[:-1]) for path in paths)]
        stems = (_stem(word) for text in texts for word in word_parts(text))
        self._columns = {stem: column for column, stem in enumerate(dict.fromkeys(stems))}
        self._columns_of = remembered(partial(_find, self._columns))
        _, found = pairs_of(distinct(pair_keys(*self._occurrences(texts))))
        found_in = np.bincount(found, minlength=len(self._columns))
        self._rarity = (1 + np.log((1 + len(texts)) / (1 + found_in))).astype(np.float32)
        self._one_part = np.zeros(len(self._columns), np.int64)
        weighed = self._weigh(texts).matrix(len(self._columns))
        count = len(paths)
        self._words = (weighed[:count] + _WEIGHT_OF_PARENTS * weighed[count:]).T.tocsr().astype(np.float32)

    def __reduce__(self) -> tuple[object, tuple[Taxonomy]]:
        return tree_words, (self._taxonomy,)

    def shared(self, texts: Sequence[str]) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Return (text, node) pairs as keys, int64 (m,), ascending, and how much they share, float32 (m,).

        The values are at most 1.5; pairs below 0.1 are left out. The result for a text does not depend on the
        other texts.
        """
        found = self._weigh(texts).product(self._words)
        kept = np.flatnonzero(found.values >= _LEAST)
        owners = np.repeat(np.arange(len(texts)), np.diff(found.offsets))
        keys = pair_keys(owners[kept], self._nodes[found.columns[kept]])
        order = np.argsort(keys)
        return keys[order], found.values[kept[order]]

    def _weigh(self, texts: Sequence[str]) -> SparseRows:
        """Return the TF-IDF weights of the words of each text, as rows of L2 norm 1."""
        return weigh(*self._occurrences(texts), len(texts), self._rarity, self._one_part)

    def _occurrences(self, texts: Sequence[str]) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
        """Return the text and the column of every occurrence of a word of the tree: (m,) each."""
        rows = [list(chain.from_iterable(map(self._columns_of, text.split()))) for text in texts]
        sizes = list(map(len, rows))
        columns = np.fromiter(chain.from_iterable(rows), np.int32, sum(sizes))
        return np.repeat(np.arange(len(texts)), sizes), columns


def _find(columns: dict[str, int], chunk: str) -> tuple[int, ...]:
    """Return the columns of the tree's words in a chunk of text without white space; cached, as chunks repeat."""
    stems = map(_stem, word_parts(chunk))
    return tuple(columns[stem] for stem in stems if stem in columns)


@lru_cache(maxsize=2)
def tree_words(taxonomy: Taxonomy) -> TreeWords:
    """Return the words of a tree; cached, because folds and the encoders of a cascade share them."""
    return TreeWords(taxonomy)


def _stem(word: str) -> str:
    if word.endswith("ies") and not word.endswith(("eies", "aies")):
        return word[:-3] + "y"
    if word.endswith("es") and not word.endswith(("aes", "ees", "oes")):
        return word[:-1]
    return word[:-1] if word.endswith("s") and not word.endswith(("us", "ss")) else word
