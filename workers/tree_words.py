"""The words that a text shares with the names of a tree's categories: TF-IDF, weighed by the tree's own words.

Source: the vector space model, Salton, Wong and Yang (1975); plurals are cut by the S stemmer of Harman (1991),
"How effective is suffixing?".
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from itertools import chain
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from schemas.taxonomy.tree import Taxonomy
from workers.signals.scores import pair_keys
from workers.text.tokens import words

# A name says what is in a category, those above it where it stands.
_WEIGHT_OF_PARENTS: Final = 0.5
# What shares less with a category shares "home" or "accessories" with it, as with a thousand others.
_LEAST: Final = 0.1
_CHUNKS_CACHED: Final = 200_000


class TreeWords:
    """The words of the listed nodes of a tree: those of each one's name, and of the names above it."""

    def __init__(self, taxonomy: Taxonomy) -> None:
        self._taxonomy = taxonomy
        self._nodes = np.flatnonzero(taxonomy.is_listed).astype(np.int32)
        paths = [taxonomy.paths[node] for node in self._nodes.tolist()]
        texts = [*(path[-1] for path in paths), *(" ".join(path[:-1]) for path in paths)]
        stems = (_stem(word) for text in texts for word in words(text))
        self._columns = {stem: column for column, stem in enumerate(dict.fromkeys(stems))}
        self._columns_of = lru_cache(_CHUNKS_CACHED)(self._find)
        bags = self._bags(texts)
        found_in = np.bincount(bags.indices, minlength=len(self._columns))
        self._rarity = 1 + np.log((1 + len(texts)) / (1 + found_in))
        weighed = self._weigh(bags)
        count = len(paths)
        self._words = (weighed[:count] + _WEIGHT_OF_PARENTS * weighed[count:]).T.tocsr().astype(np.float32)

    def __reduce__(self) -> tuple[object, tuple[Taxonomy]]:
        return tree_words, (self._taxonomy,)

    def shared(self, texts: Sequence[str]) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Return pairs of texts and nodes, keys int64 (m,) ascending, and how much they share, float32 (m,).

        At most 1.5; what shares less than 0.1 is left out. What is said of a text depends on it alone.
        """
        found = self._weigh(self._bags(texts)) @ self._words
        found.sort_indices()
        kept = found.data >= _LEAST
        owners = np.repeat(np.arange(len(texts)), np.diff(found.indptr))
        return pair_keys(owners[kept], self._nodes[found.indices[kept]]), found.data[kept]

    def _bags(self, texts: Sequence[str]) -> sparse.csr_matrix:
        """Return how often each text has each word of the tree: CSR float32 (texts, words)."""
        rows = [list(chain.from_iterable(map(self._columns_of, text.split()))) for text in texts]
        ends = np.cumsum([0, *map(len, rows)])
        columns = np.fromiter(chain.from_iterable(rows), np.int32, int(ends[-1]))
        shape = (len(texts), len(self._columns))
        bags = sparse.csr_matrix((np.ones(len(columns), np.float32), columns, ends), shape)
        bags.sum_duplicates()
        return bags

    def _weigh(self, bags: sparse.csr_matrix) -> sparse.csr_matrix:
        """Return the rows with each word weighed by how few texts of the tree have it, scaled to L2 norm 1."""
        weights = bags.data * self._rarity[bags.indices]
        owners = np.repeat(np.arange(bags.shape[0]), np.diff(bags.indptr))
        norms = np.sqrt(np.bincount(owners, weights**2, bags.shape[0]))
        scaled = (weights / norms[owners]).astype(np.float32)
        return sparse.csr_matrix((scaled, bags.indices, bags.indptr), bags.shape)

    def _find(self, chunk: str) -> tuple[int, ...]:
        """Return the words of the tree in a piece of text without white space; pieces repeat, and are cached."""
        stems = map(_stem, words(chunk))
        return tuple(self._columns[stem] for stem in stems if stem in self._columns)


@lru_cache(maxsize=2)
def tree_words(taxonomy: Taxonomy) -> TreeWords:
    """Return the words of a tree, read once: folds, and the encoders of a cascade, share them."""
    return TreeWords(taxonomy)


def _stem(word: str) -> str:
    if word.endswith("ies") and not word.endswith(("eies", "aies")):
        return word[:-3] + "y"
    if word.endswith("es") and not word.endswith(("aes", "ees", "oes")):
        return word[:-1]
    return word[:-1] if word.endswith("s") and not word.endswith(("us", "ss")) else word
