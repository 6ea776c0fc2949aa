"""TF-IDF features of one text field: word n-grams, and character n-grams within words."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from itertools import chain, pairwise, repeat
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from workers.arrays.pairs import pair_keys, pairs_of
from workers.arrays.segments import changes
from workers.arrays.sparse_rows import SparseRows
from workers.text.remembered import remembered
from workers.text.tokens import character_ngrams, words


@dataclass(frozen=True, slots=True)
class NgramOptions:
    """What counts as a feature.

    ``characters`` gives the shortest and the longest character n-gram, or is ``None`` for words only. A feature
    must occur in at least ``minimum_documents`` texts; the ``maximum_features`` most common ones are kept.
    """

    bigrams: bool = True
    characters: tuple[int, int] | None = (3, 5)
    minimum_documents: int = 2
    maximum_features: int = 100_000
    maximum_words: int = 64


class NgramVectorizer:
    """Finds the word and character n-grams of texts; :func:`weigh` turns them into TF-IDF features.

    The character n-grams of a word depend only on the word, so they are computed once per word and cached. This
    makes character n-grams, the best cheap features for product titles, affordable in a stream.
    """

    def __init__(self, options: NgramOptions, vocabulary: Sequence[str], idf: NDArray[np.float32]) -> None:
        """``vocabulary`` has F features: word n-grams, prefixed ``_``, and character n-grams, prefixed ``#``.

        ``idf`` is float32 (F,).
        """
        self.options = options
        self.vocabulary = tuple(vocabulary)
        self.idf = idf
        self.of_characters = np.array([feature[0] == "#" for feature in self.vocabulary], np.bool_)
        self._word_columns: dict[str, int] = {}
        self._character_columns: dict[str, int] = {}
        for column, feature in enumerate(self.vocabulary):
            (self._character_columns if feature[0] == "#" else self._word_columns)[feature[1:]] = column
        self._characters_of = remembered(partial(_look_up_characters, self._character_columns, options))

    def __len__(self) -> int:
        return len(self.vocabulary)

    def __reduce__(self) -> tuple[type[Self], tuple[Any, ...]]:
        """Pickle without the caches."""
        return type(self), (self.options, self.vocabulary, self.idf)

    @classmethod
    def fit(cls, texts: Iterable[str], options: NgramOptions | None = None) -> Self:
        """Learn the vocabulary and the inverse document frequencies (smoothed, as in scikit-learn) from texts."""
        options = options or NgramOptions()
        documents: Counter[str] = Counter()
        grams_of = remembered(_marked_characters(options))
        count = 0
        for text in texts:
            count += 1
            tokens = words(text, options.maximum_words)
            documents.update({f"_{gram}" for gram in _word_grams(tokens, options)})
            documents.update(set(chain.from_iterable(grams_of(token) for token in set(tokens))))
        common = [feature for feature, seen in documents.items() if seen >= options.minimum_documents]
        common.sort(key=lambda feature: (-documents[feature], feature))
        vocabulary = common[: options.maximum_features]
        seen_in = np.array([documents[feature] for feature in vocabulary], np.float64)
        idf = np.log((1 + count) / (1 + seen_in)) + 1
        return cls(options, vocabulary, idf.astype(np.float32))

    def occurrences(self, texts: Sequence[str]) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
        """Return the text and the column of every occurrence of a feature: int64 (m,) and int32 (m,)."""
        tokens = [words(text, self.options.maximum_words) for text in texts]
        parts = list(map(self._word_indices, tokens))
        owners = list(range(len(texts)))
        if self.options.characters is not None:
            parts += map(self._characters_of, chain.from_iterable(tokens))
            owners += chain.from_iterable(map(repeat, owners, map(len, tokens)))
        columns = np.frombuffer(b"".join(parts), np.int32)
        sizes = np.array(list(map(len, parts)), np.int64) // columns.itemsize
        return np.repeat(np.array(owners, np.int64), sizes), columns

    def _word_indices(self, tokens: list[str]) -> bytes:
        return _columns(self._word_columns, _word_grams(tokens, self.options))

    def state(self) -> tuple[dict[str, Any], NDArray[np.float32]]:
        """Return what :meth:`restore` needs: a JSON object and ``idf``."""
        return {"options": asdict(self.options), "vocabulary": list(self.vocabulary)}, self.idf

    @classmethod
    def restore(cls, state: dict[str, Any], idf: NDArray[np.float32]) -> Self:
        """Restore the vectorizer from its state."""
        options = dict(state["options"])
        if options["characters"] is not None:
            options["characters"] = tuple(options["characters"])
        return cls(NgramOptions(**options), state["vocabulary"], idf)


def weigh(
    texts: NDArray[np.int64],
    columns: NDArray[np.int32],
    count: int,
    idf: NDArray[np.float32],
    part: NDArray[np.int64],
) -> SparseRows:
    """Return sublinear TF-IDF features: ``count`` rows of F columns, with each part of a row scaled to L2 norm 1.

    ``texts`` and ``columns``, (m,) each, are the occurrences of features, in any order. ``idf`` is (F,). ``part``,
    int64 (F,), assigns each column to a part, from 0 to 7.
    """
    keys = np.sort(pair_keys(texts, columns))
    firsts = np.flatnonzero(changes(keys))
    times = np.diff(np.append(firsts, len(keys)))
    rows, columns = pairs_of(keys[firsts])
    values = (1 + np.log(times.astype(np.float32))) * idf[columns]
    parts = (rows << 3) | part[columns]
    values /= np.sqrt(np.bincount(parts, values**2))[parts]
    offsets = np.searchsorted(rows, np.arange(count + 1)).astype(np.int32)
    return SparseRows(values.astype(np.float32, copy=False), columns, offsets)


def _look_up_characters(known: dict[str, int], options: NgramOptions, token: str) -> bytes:
    shortest, longest = options.characters or (1, 0)
    return _columns(known, character_ngrams(token, shortest, longest))


def _columns(known: dict[str, int], grams: list[str]) -> bytes:
    """Return the int32 columns of known n-grams as bytes, which are faster to join than arrays."""
    return array("i", [column for column in map(known.get, grams) if column is not None]).tobytes()


def _word_grams(tokens: list[str], options: NgramOptions) -> list[str]:
    if not options.bigrams:
        return tokens
    return tokens + [f"{first} {second}" for first, second in pairwise(tokens)]


def _marked_characters(options: NgramOptions) -> Callable[[str], tuple[str, ...]]:
    """Return a function from a token to its character n-grams, prefixed ``#``.

    Word n-grams are prefixed ``_``, so one vocabulary can hold both.
    """
    if options.characters is None:
        return lambda _token: ()
    shortest, longest = options.characters
    return lambda token: tuple(f"#{gram}" for gram in character_ngrams(token, shortest, longest))
