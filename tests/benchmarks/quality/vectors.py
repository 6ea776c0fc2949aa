"""A disk cache of a sentence encoder's vectors, by text digest, so that each text is encoded once for all runs."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from time import process_time
from typing import Final

import numpy as np
import orjson
from numpy.typing import NDArray

from workers.encoders.base import Encoder
from workers.encoders.onnx import OnnxEncoder
from workers.progress import Progress, silent

_AT_ONCE: Final = 256
_SAVED_EVERY: Final = 8_192
_DIGEST_BYTES: Final = 16


class VectorCache:
    """Encodes texts, and caches the vectors and the encoding time in ``directory``.

    Each encoder has two array files in the same order: digests, uint8 (n, 16), and vectors, float32 (n, d).
    """

    def __init__(self, encoder_directory: Path, directory: Path) -> None:
        self._encoder_directory = encoder_directory
        self.name: Final = encoder_directory.name
        directory.mkdir(parents=True, exist_ok=True)
        self._digests_file = directory / f"{self.name}.digests.npy"
        self._vectors_file = directory / f"{self.name}.vectors.npy"
        self._cost_file = directory / f"{self.name}.cost.json"
        self._places: dict[bytes, int] = {}
        self._encoder: Encoder | None = None
        self._vectors: list[NDArray[np.float32]] = []
        self._texts, self._seconds = 0, 0.0
        if self._vectors_file.exists():
            self._places = {bytes(row): place for place, row in enumerate(np.load(self._digests_file))}
            self._vectors = [np.load(self._vectors_file)]
            self._texts, self._seconds = orjson.loads(self._cost_file.read_bytes())

    @property
    def microseconds(self) -> float:
        """The average CPU time to encode one text, over all texts encoded."""
        return self._seconds / max(self._texts, 1) * 1e6

    def encode(self, texts: Sequence[str], progress: Progress = silent) -> NDArray[np.float32]:
        """Return the vectors of the texts, float32 (n, d)."""
        digests = [hashlib.blake2b(text.encode(), digest_size=_DIGEST_BYTES).digest() for text in texts]
        missing = {digest: text for digest, text in zip(digests, texts, strict=True) if digest not in self._places}
        wanted = list(missing.items())
        for start in range(0, len(wanted), _AT_ONCE):
            progress("encoding", start, len(wanted))
            self._add(wanted[start : start + _AT_ONCE])
            if (start + _AT_ONCE) % _SAVED_EVERY == 0:
                self._save()
        if wanted:
            self._save()
        return np.concatenate(self._vectors)[[self._places[digest] for digest in digests]]

    def _add(self, wanted: list[tuple[bytes, str]]) -> None:
        if self._encoder is None:
            self._encoder = OnnxEncoder.load(self._encoder_directory)
        started = process_time()
        self._vectors.append(self._encoder.encode([text for _, text in wanted]))
        self._seconds += process_time() - started
        self._texts += len(wanted)
        for digest, _ in wanted:
            self._places[digest] = len(self._places)

    def _save(self) -> None:
        self._vectors = [np.concatenate(self._vectors)]
        digests = np.frombuffer(b"".join(self._places), np.uint8).reshape(-1, _DIGEST_BYTES)
        for file, array in ((self._vectors_file, self._vectors[0]), (self._digests_file, digests)):
            partial = file.with_suffix(".partial.npy")
            np.save(partial, array)
            partial.replace(file)
        self._cost_file.write_bytes(orjson.dumps([self._texts, self._seconds]))
