"""N-gram features of a product's texts: one matrix that all linear text models share."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final, Self

import numpy as np
import orjson
from numpy.typing import NDArray
from safetensors.numpy import load_file, save_file
from scipy import sparse

from schemas.events.product import Product
from workers.arrays.sparse_rows import SparseRows
from workers.recall.batch import Batch
from workers.text.ngrams import NgramOptions, NgramVectorizer, weigh
from workers.text.product_text import FIELDS

_OPTIONS: Final[dict[str, NgramOptions]] = {
    "title": NgramOptions(maximum_features=80_000),
    "context": NgramOptions(maximum_features=40_000),
    "description": NgramOptions(bigrams=False, characters=None, maximum_features=30_000, maximum_words=100),
}
_ARRAYS: Final = "text_features.safetensors"
_VOCABULARIES: Final = "text_features.json"


class TextFeatures:
    """Maps products to rows of TF-IDF features: title, context and description side by side."""

    def __init__(self, vectorizers: dict[str, NgramVectorizer]) -> None:
        """``vectorizers`` has one vectorizer for each text field of a product."""
        self._vectorizers = vectorizers
        self._idf = np.concatenate([vectorizer.idf for vectorizer in vectorizers.values()])
        # The words and the characters of a field are normalised separately.
        parts = [2 * at + each.of_characters for at, each in enumerate(vectorizers.values())]
        self._part = np.concatenate(parts).astype(np.int64)

    def __len__(self) -> int:
        """Return the number of features F."""
        return sum(map(len, self._vectorizers.values()))

    @classmethod
    def fit(cls, products: Sequence[Product]) -> Self:
        """Learn the vocabularies from labelled products."""
        return cls(
            {
                field: NgramVectorizer.fit(map(FIELDS[field], products), options)
                for field, options in _OPTIONS.items()
            }
        )

    def of(self, batch: Batch) -> SparseRows:
        """Return the features of a batch's n products, n rows of F columns; computed once per batch and cached."""
        return batch.once(self, lambda: self._of(batch.products))

    def _of(self, batch: Sequence[Product]) -> SparseRows:
        products, columns, first = [], [], 0
        for field, vectorizer in self._vectorizers.items():
            of, found_columns = vectorizer.occurrences(list(map(FIELDS[field], batch)))
            products.append(of)
            columns.append(found_columns + np.int32(first))
            first += len(vectorizer)
        return weigh(np.concatenate(products), np.concatenate(columns), len(batch), self._idf, self._part)

    def matrix(self, batch: Batch) -> sparse.csr_matrix:
        """Return the features of a batch as float32 CSR (n, F)."""
        return self.of(batch).matrix(len(self))

    def save(self, directory: Path) -> None:
        """Write ``text_features.safetensors`` and ``text_features.json``."""
        states = {field: vectorizer.state() for field, vectorizer in self._vectorizers.items()}
        arrays: dict[str, NDArray[np.float32]] = {field: idf for field, (_, idf) in states.items()}
        save_file(arrays, directory / _ARRAYS)
        (directory / _VOCABULARIES).write_bytes(
            orjson.dumps({field: state for field, (state, _) in states.items()})
        )

    @classmethod
    def load(cls, directory: Path) -> Self:
        """Read what :meth:`save` wrote."""
        arrays = load_file(directory / _ARRAYS)
        states = orjson.loads((directory / _VOCABULARIES).read_bytes())
        return cls({field: NgramVectorizer.restore(states[field], arrays[field]) for field in _OPTIONS})
