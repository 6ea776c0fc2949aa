"""The default encoder: latent semantic analysis of the catalogue's own words; needs no download.

Sources: Deerwester et al., "Indexing by Latent Semantic Analysis" (1990); Halko et al. (2011) for the
randomised singular value decomposition.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final, Self

import numpy as np
import orjson
from numpy.typing import NDArray
from safetensors.numpy import load_file, save_file
from sklearn.utils.extmath import randomized_svd

from workers.text.ngrams import NgramOptions, NgramVectorizer

DIMENSIONS: Final = 256
_OPTIONS: Final = NgramOptions(maximum_features=60_000)


class StaticEncoder:
    """A text's vector is the sum of its n-grams' vectors, weighted by TF-IDF, scaled to length 1."""

    def __init__(self, vectorizer: NgramVectorizer, projection: NDArray[np.float32]) -> None:
        """``projection`` is float32 (F, d): the vector of each of the vectorizer's F features."""
        self._vectorizer = vectorizer
        self._projection = projection

    @property
    def name(self) -> str:
        """``static-d`` with d dimensions."""
        return f"static-{self.dimensions}"

    @property
    def dimensions(self) -> int:
        """The length d of a vector."""
        return int(self._projection.shape[1])

    @classmethod
    def fit(cls, texts: Sequence[str], *, seed: int = 0) -> Self:
        """Learn vectors of n-grams from texts: those of the products and those of the categories."""
        vectorizer = NgramVectorizer.fit(texts, _OPTIONS)
        matrix = vectorizer.transform(texts)
        dimensions = min(DIMENSIONS, min(matrix.shape) - 1)
        _, singular, components = randomized_svd(matrix, dimensions, n_iter=3, random_state=seed)
        # Whitening by half evens out the leading components, which tell departments apart but not shelves.
        projection = components.T / np.sqrt(np.maximum(singular, 1e-6))
        return cls(vectorizer, np.ascontiguousarray(projection, np.float32))

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return float32 vectors (len(texts), d) of L2 norm 1; a text of unknown words gives zeros."""
        vectors = np.asarray(self._vectorizer.transform(texts) @ self._projection, np.float32)
        norms = np.linalg.norm(vectors, axis=1, keepdims=True)
        return np.divide(vectors, norms, out=np.zeros_like(vectors), where=norms > 0)

    def save(self, directory: Path) -> None:
        """Write ``encoder.json``, ``vectorizer.json`` and ``encoder.safetensors``."""
        state, idf = self._vectorizer.state()
        (directory / "encoder.json").write_bytes(orjson.dumps({"kind": "static"}))
        (directory / "vectorizer.json").write_bytes(orjson.dumps(state))
        save_file({"idf": idf, "projection": self._projection}, directory / "encoder.safetensors")

    @classmethod
    def load(cls, directory: Path) -> Self:
        """Read what :meth:`save` wrote."""
        state = orjson.loads((directory / "vectorizer.json").read_bytes())
        arrays = load_file(directory / "encoder.safetensors")
        return cls(NgramVectorizer.restore(state, arrays["idf"]), arrays["projection"])
