"""Any sentence encoder, given as an ONNX file and a ``tokenizer.json`` in a local directory.

A text always gets the same vector, bit for bit, whatever other texts are in the batch. To ensure this, texts run
together only if they have exactly the same number of tokens, so nothing is ever padded. Only those batch sizes are
used whose results equalled batch size 1 on this machine when the model was loaded; if there is none, texts run one
by one. The graph runs on one thread, and what follows it (pooling, normalisation) is computed text by text in
float64.
"""

from __future__ import annotations

import shutil
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final, Self, TypeVar

import msgspec
import numpy as np
import orjson
from numpy.typing import NDArray
from tokenizers import Tokenizer

from schemas.errors import InvalidFile
from workers.encoders.onnx_session import EncoderSession
from workers.encoders.sentence_directory import (
    MODEL_FILE,
    TOKENIZER_FILE,
    EncoderSettings,
    make_settings,
    read_limit,
    read_settings,
    write_settings,
)

_MAX_TOKENIZER_BYTES: Final = 128 * 1024 * 1024
# The number of texts whose tokens are held at once, so that a catalogue of millions needs memory only for vectors.
_CHUNK: Final = 4_096

Tokens = tuple[list[int], list[int]]
Item = TypeVar("Item")


class OnnxEncoder:
    """Encodes texts with ONNX Runtime; created by :meth:`load`. Several threads may call ``encode``."""

    def __init__(self, directory: Path, settings: EncoderSettings) -> None:
        """Open the model and the tokenizer in ``directory``; raises :class:`InvalidFile` if that fails."""
        self._directory = directory
        self._settings = settings
        self._tokenizer, self._silent = _read_tokenizer(directory / TOKENIZER_FILE, settings.max_tokens)
        highest = max(self._tokenizer.get_vocab().values(), default=0)
        self._session = EncoderSession(_find_model(directory), highest, settings.max_tokens)

    @classmethod
    def load(cls, directory: Path, max_tokens: int | None = None) -> Self:
        """Read a directory written by :meth:`save`, ``convert`` or sentence-transformers (with ``model.onnx``).

        ``max_tokens``, including special tokens, replaces the limit in ``encoder.json`` or, without that file, the
        model's own limit or 128, whichever is less.

        Raises :class:`InvalidFile` if a file is missing or damaged, or if the model cannot be run here.
        """
        settings = read_settings(directory)
        if max_tokens is not None:
            changed = msgspec.structs.replace(settings, max_tokens=max_tokens)
            settings = make_settings(
                directory, name=changed.name, pooling=changed.pooling, max_tokens=max_tokens, prefix=changed.prefix
            )
        if settings.max_tokens > (limit := read_limit(directory)):
            raise InvalidFile(f"{directory}: max_tokens is {settings.max_tokens} but the model's limit is {limit}")
        return cls(directory, settings)

    @property
    def name(self) -> str:
        """The encoder's name from ``encoder.json``, or else the directory's name."""
        return self._settings.name

    @property
    def dimensions(self) -> int:
        """The length d of a vector."""
        return self._session.dimensions

    @property
    def is_cheap(self) -> bool:
        """False: a text takes milliseconds, and a description ten times as long."""
        return False

    @property
    def settings(self) -> EncoderSettings:
        """The settings in use, such as the pooling, the token limit and the prefix."""
        return self._settings

    @property
    def batch_sizes(self) -> tuple[int, ...]:
        """The batch sizes for texts of one length on this machine; ``(1,)`` if every larger batch changes bits."""
        return self._session.batch_sizes

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return float32 vectors of shape (len(texts), d) with L2 norm 1; equal texts are computed once.

        A text gets zeros if the tokenizer knows none of its tokens, or if the model's output is not finite or all
        zeros.
        """
        rows: dict[str, int] = {}
        indices = [rows.setdefault(text, len(rows)) for text in texts]
        vectors = np.zeros((len(rows), self.dimensions), dtype=np.float32)
        unique = list(rows)
        for start in range(0, len(unique), _CHUNK):
            self._encode_chunk(unique[start : start + _CHUNK], vectors[start : start + _CHUNK])
        return vectors[np.asarray(indices, dtype=np.int64)]

    def save(self, directory: Path) -> None:
        """Write ``model.onnx``, ``tokenizer.json`` and ``encoder.json`` into ``directory``, which must exist."""
        shutil.copyfile(_find_model(self._directory), directory / MODEL_FILE)
        shutil.copyfile(self._directory / TOKENIZER_FILE, directory / TOKENIZER_FILE)
        write_settings(directory, self._settings)

    def _encode_chunk(self, texts: Sequence[str], vectors: NDArray[np.float32]) -> None:
        by_length: defaultdict[int, list[tuple[int, Tokens]]] = defaultdict(list)
        for row, text in enumerate(texts):
            ids, types = self._tokenize(text)
            if ids:
                by_length[len(ids)].append((row, (ids, types)))
        for group in by_length.values():
            for batch in cut(group, self._session.batch_sizes):
                ids_array = np.array([tokens[0] for _, tokens in batch], dtype=np.int64)
                types_array = np.array([tokens[1] for _, tokens in batch], dtype=np.int64)
                for (row, _), output in zip(batch, self._session.run(ids_array, types_array), strict=True):
                    vectors[row] = self._pool(output)

    def _tokenize(self, text: str) -> Tokens:
        """Return token ids and types, or empty lists if every token is special or unknown."""
        # A lone surrogate is not a character and cannot be encoded in UTF-8; it becomes "?".
        clean = text.encode("utf-8", "replace").decode("utf-8")
        encoding = self._tokenizer.encode(clean)
        if self._silent.issuperset(encoding.ids):
            return [], []
        if self._settings.prefix:
            encoding = self._tokenizer.encode(self._settings.prefix + clean)
        return encoding.ids, encoding.type_ids

    def _pool(self, output: NDArray[np.float32]) -> NDArray[np.float32]:
        """Turn the output for one text, (d,) or (t, d), into its vector, (d,), of L2 norm 1, or into zeros."""
        values = output.astype(np.float64)
        if not self._session.pooled:
            values = values[0] if self._settings.pooling == "cls" else values.mean(axis=0)
        norm = np.sqrt((values * values).sum())
        if not np.isfinite(norm) or norm == 0:
            return np.zeros(self.dimensions, dtype=np.float32)
        return (values / norm).astype(np.float32)


def cut(group: Sequence[Item], sizes: tuple[int, ...]) -> Iterator[Sequence[Item]]:
    """Cut a group into batches of the given sizes, largest first."""
    start = 0
    for size in sizes:
        while len(group) - start >= size:
            yield group[start : start + size]
            start += size


def _find_model(directory: Path) -> Path:
    """Return the path of ``model.onnx``, or of ``onnx/model.onnx``, where model hubs store it."""
    nested = directory / "onnx" / MODEL_FILE
    return nested if nested.is_file() and not (directory / MODEL_FILE).exists() else directory / MODEL_FILE


def _read_tokenizer(path: Path, max_tokens: int) -> tuple[Any, frozenset[int]]:
    """Return the tokenizer, without padding, and the ids that carry no text: special tokens and unknown."""
    if not path.is_file():
        raise InvalidFile(f"{path}: no such file; save the tokenizer in its fast form (tokenizer.json)")
    if path.stat().st_size > _MAX_TOKENIZER_BYTES:
        raise InvalidFile(f"{path}: {path.stat().st_size:,} bytes; at most {_MAX_TOKENIZER_BYTES:,} are read")
    data = path.read_bytes()
    try:
        tokenizer = Tokenizer.from_str(data.decode("utf-8"))
        tokenizer.no_padding()  # MiniLM's file enables padding to 128 tokens
        tokenizer.enable_truncation(max_tokens)
        tokenizer.encode("a")  # some damage shows only then
        unknown = orjson.loads(data)["model"].get("unk_token")
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:  # bare Exception, and a panic of the library's Rust code is not even that
        raise InvalidFile(f"{path}: not a tokenizer's file ({error}); download it again") from None
    silent = {identifier for identifier, token in tokenizer.get_added_tokens_decoder().items() if token.special}
    if isinstance(unknown, str) and (identifier := tokenizer.token_to_id(unknown)) is not None:
        silent.add(identifier)
    return tokenizer, frozenset(silent)
