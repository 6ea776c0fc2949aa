"""Run an ONNX sentence encoder in ONNX Runtime, with checked inputs and outputs and trusted batch sizes."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from schemas.errors import InvalidFile

# The batch sizes to try, largest first. Each is compared with batch size 1 when the model is loaded. More than 16
# texts per run gained nothing, and were slower with long texts.
BATCH_SIZES: Final = (16, 8, 4, 2, 1)
_TRIAL_LENGTHS: Final = (5, 16, 31)
_MAX_MODEL_BYTES: Final = 2 * 1024**3  # the limit of protocol buffers
_INPUTS: Final = ("input_ids", "attention_mask", "token_type_ids")
# In order of preference. A graph with a single output may use any name. (A `pooler_output` is no sentence
# embedding.)
_OUTPUTS: Final = ("sentence_embedding", "last_hidden_state", "token_embeddings")
_INTEGERS: Final[dict[str, type[np.signedinteger[Any]]]] = {"tensor(int64)": np.int64, "tensor(int32)": np.int32}
_FLOATS: Final = ("tensor(float)", "tensor(float16)", "tensor(double)")


class EncoderSession:
    """Runs token ids of equal length through the graph.

    ``pooled`` says whether the graph returns one vector per text, or else one per token. ``batch_sizes`` are those
    of :data:`BATCH_SIZES` whose results equal those of batch size 1, bit for bit, on this machine; 1 is always
    included.
    """

    def __init__(self, path: Path, highest_id: int, max_tokens: int) -> None:
        """Open the model and try it on ids up to ``highest_id``; raises :class:`InvalidFile` if that fails."""
        self._path = path
        self._session = _open(path)
        self._inputs = _check_inputs(path, self._session.get_inputs())
        self._output = _choose_output(path, self._session.get_outputs())
        first = self._try(np.full((1, min(max_tokens, _TRIAL_LENGTHS[0])), highest_id, dtype=np.int64))
        self.pooled = first.ndim == 2
        self.dimensions = int(first.shape[-1])
        self.batch_sizes = self._trusted(highest_id, max_tokens)

    def run(self, ids: NDArray[np.int64], types: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return float32 (n, d) if pooled, else (n, t, d), for unpadded ``ids`` and ``types``, int64 (n, t)."""
        values = {"input_ids": ids, "attention_mask": np.ones_like(ids), "token_type_ids": types}
        feed = {name: values[name].astype(kind, copy=False) for name, kind in self._inputs.items()}
        return np.asarray(self._session.run([self._output], feed)[0], dtype=np.float32)

    def _try(self, ids: NDArray[np.int64]) -> NDArray[np.float32]:
        """Run the graph while loading, when a failure probably means that the files do not belong together."""
        try:
            result = self.run(ids, np.zeros_like(ids))
        except Exception as error:
            detail = str(error).strip().splitlines()[0][:300]
            raise InvalidFile(
                f"{self._path}: the model fails on a text of {ids.shape[1]} tokens with ids up to {ids.max()} "
                f"({detail}); tokenizer.json or the model's limit may belong to another model"
            ) from None
        fits = result.shape[0] == ids.shape[0] and (result.ndim == 2 or result.shape[1:2] == ids.shape[1:])
        if result.ndim not in (2, 3) or not fits:
            raise InvalidFile(
                f"{self._path}: output {self._output!r} has shape {result.shape} for ids of shape {ids.shape}; "
                "it must be (batch, tokens, dimensions) or (batch, dimensions)"
            )
        if not np.isfinite(result).all():
            raise InvalidFile(f"{self._path}: the model gives values that are not finite; convert it again")
        return result

    def _trusted(self, highest_id: int, max_tokens: int) -> tuple[int, ...]:
        """Return the batch sizes that give the same results as batch size 1.

        With dynamic int8 quantisation, and with some processors' kernels, texts of a batch affect each other.
        """
        random = np.random.default_rng(0)
        trusted = set(BATCH_SIZES)
        self._try(random.integers(0, highest_id + 1, (1, max_tokens)))
        for length in sorted({min(length, max_tokens) for length in _TRIAL_LENGTHS}):
            ids = random.integers(0, highest_id + 1, (max(BATCH_SIZES), length))
            alone = np.concatenate([self._try(row[None]) for row in ids])
            trusted -= {n for n in trusted - {1} if self._try(ids[:n]).tobytes() != alone[:n].tobytes()}
        return tuple(size for size in BATCH_SIZES if size in trusted)


def _open(path: Path) -> Any:
    if not path.is_file():
        raise InvalidFile(f"{path}: no such file; `shelfwise encoder convert DIR` makes one from safetensors")
    if path.stat().st_size > _MAX_MODEL_BYTES:
        raise InvalidFile(f"{path}: {path.stat().st_size:,} bytes; an ONNX file has at most {_MAX_MODEL_BYTES:,}")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 4
    # A bundle contains only this file, so it must hold its weights itself. ONNX Runtime would look for the
    # external weights of a model given as bytes in this folder, which cannot exist.
    options.add_session_config_entry("session.model_external_initializers_file_folder_path", str(path / "none"))
    try:
        return onnxruntime.InferenceSession(path.read_bytes(), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # the runtime's errors have no common base but Exception
        detail = str(error).strip().splitlines()[0][:300]
        if "external" in detail.lower():
            raise InvalidFile(f"{path}: keeps its weights in another file; export the model as one file") from None
        raise InvalidFile(f"{path}: not a complete, supported ONNX file ({detail}); get it again") from None


def _check_inputs(path: Path, inputs: list[Any]) -> dict[str, type[np.signedinteger[Any]]]:
    found = {item.name: item.type for item in inputs}
    unknown = sorted(set(found) - set(_INPUTS))
    if unknown or "input_ids" not in found:
        raise InvalidFile(
            f"{path}: inputs are {sorted(found)}; expected input_ids, at most attention_mask and token_type_ids"
        )
    if wrong := sorted(f"{name} {kind}" for name, kind in found.items() if kind not in _INTEGERS):
        raise InvalidFile(f"{path}: the inputs {', '.join(wrong)} are neither int64 nor int32; export it again")
    return {name: _INTEGERS[kind] for name, kind in found.items()}


def _choose_output(path: Path, outputs: list[Any]) -> str:
    floats = [item.name for item in outputs if item.type in _FLOATS]
    for name in (*_OUTPUTS, *(floats if len(outputs) == 1 else ())):
        if name in floats:
            return str(name)
    names = [f"{item.name} {item.type}" for item in outputs]
    raise InvalidFile(
        f"{path}: outputs are {names}; expected one of {', '.join(_OUTPUTS)}, or one output of floats"
    )
