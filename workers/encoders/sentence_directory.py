"""Read and write the settings in a sentence encoder's directory: its pooling and its limits.

Two layouts can be read: ours (``model.onnx``, ``tokenizer.json``, ``encoder.json``) and that of
sentence-transformers (``modules.json``, ``1_Pooling/config.json``, ``sentence_bert_config.json``;
https://sbert.net).
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Final, Literal

import msgspec
import orjson

from schemas.errors import InvalidFile
from workers.encoders.json_file import read_json

SETTINGS_FILE: Final = "encoder.json"
TOKENIZER_FILE: Final = "tokenizer.json"
MODEL_FILE: Final = "model.onnx"
# Enough for a product's title, brand and first sentences; sentence encoders are trained on 128 to 256 tokens.
DEFAULT_MAX_TOKENS: Final = 128
_LIMITS: Final = (
    ("sentence_bert_config.json", "max_seq_length"),
    ("config.json", "max_position_embeddings"),
    ("tokenizer_config.json", "model_max_length"),
)

Pooling = Literal["mean", "cls"]


class EncoderSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The contents of our ``encoder.json``.

    ``max_tokens`` includes the tokenizer's special tokens. ``prefix`` is put before each text, for encoders that
    were trained with one (E5: ``"query: "``).
    """

    kind: Literal["onnx"] = "onnx"
    name: Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
    pooling: Pooling
    normalise: Literal[True] = True
    max_tokens: Annotated[int, msgspec.Meta(ge=8, le=8_192)] = DEFAULT_MAX_TOKENS
    prefix: Annotated[str, msgspec.Meta(max_length=200)] = ""


def read_settings(directory: Path) -> EncoderSettings:
    """Read ``encoder.json`` or, if there is none, the files of sentence-transformers.

    Raises :class:`InvalidFile` if a file is damaged or asks for something that we do not compute.
    """
    path = directory / SETTINGS_FILE
    if not path.is_file():
        name = directory.resolve().name[:200] or "onnx"
        limit = min(DEFAULT_MAX_TOKENS, read_limit(directory))
        return make_settings(directory, name=name, pooling=read_pooling(directory), max_tokens=limit)
    try:
        return msgspec.convert(read_json(path), EncoderSettings)
    except msgspec.ValidationError as error:
        raise InvalidFile(f"{path}: {error}; remove the file to take the model's own settings") from None


def make_settings(
    where: Path, *, name: str, pooling: Pooling, max_tokens: int, prefix: str = ""
) -> EncoderSettings:
    """Return validated settings. Raises :class:`InvalidFile`, naming ``where``, if a value is out of bounds."""
    values = {"name": name, "pooling": pooling, "max_tokens": max_tokens, "prefix": prefix}
    try:
        return msgspec.convert(values, EncoderSettings)
    except msgspec.ValidationError as error:
        raise InvalidFile(f"{where}: {error}") from None


def write_settings(directory: Path, settings: EncoderSettings) -> None:
    """Write ``encoder.json``."""
    data = orjson.dumps(msgspec.to_builtins(settings), option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)
    (directory / SETTINGS_FILE).write_bytes(data)


def read_limit(directory: Path) -> int:
    """Return the maximum number of tokens that the model supports; 8,192 if no file says it."""
    limits = [8_192]
    for file, key in _LIMITS:
        path = directory / file
        raw = read_json(path) if path.is_file() else None
        value = raw.get(key) if isinstance(raw, dict) else None
        # Some tokenizers write 1e30 to mean "no limit".
        if isinstance(value, int) and value >= 8:
            limits.append(value)
    return min(limits)


def read_pooling(directory: Path) -> Pooling:
    """Return how token vectors are pooled into one; "mean" if the directory does not say.

    Raises :class:`InvalidFile` for modules and poolings that we do not compute.
    """
    path = directory / "modules.json"
    folder = "1_Pooling"
    if path.is_file():
        folder = _pooling_folder(path, read_json(path), folder)
    config = directory / folder / "config.json"
    return _pooling_of(config, read_json(config)) if config.is_file() else "mean"


def _pooling_folder(path: Path, modules: Any, folder: str) -> str:
    if not isinstance(modules, list) or not all(isinstance(module, dict) for module in modules):
        raise InvalidFile(f"{path}: not a list of modules; download it again")
    for module in modules:
        kind = str(module.get("type", "")).rpartition(".")[2]
        if kind not in ("Transformer", "Pooling", "Normalize"):
            raise InvalidFile(
                f"{path}: the module {kind!r} is not computed here; only Transformer, Pooling and Normalize are. "
                "Export the whole model with one pooled output to model.onnx instead"
            )
        if kind == "Pooling":
            folder = str(module.get("path", folder))
    if not folder or Path(folder).name != folder or folder == "..":
        raise InvalidFile(
            f"{path}: the path {folder!r} of the module Pooling is not the name of a folder beside it"
        )
    return folder


def _pooling_of(path: Path, config: Any) -> Pooling:
    if not isinstance(config, dict):
        raise InvalidFile(f"{path}: not the settings of a pooling module; download it again")
    modes = {key.removeprefix("pooling_mode_") for key, value in config.items() if value is True}
    modes &= {"cls_token", "mean_tokens", "max_tokens", "mean_sqrt_len_tokens", "weightedmean_tokens", "lasttoken"}
    single = config.get("pooling_mode")
    chosen = {f"{single}_token" if single == "cls" else f"{single}_tokens"} if isinstance(single, str) else modes
    if chosen == {"mean_tokens"}:
        return "mean"
    if chosen == {"cls_token"}:
        return "cls"
    raise InvalidFile(f"{path}: pools by {sorted(chosen) or 'nothing'}; only mean and cls are computed")
