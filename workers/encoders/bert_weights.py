"""Read the ``config.json`` and ``model.safetensors`` of BERT and similar models, and check that they match."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Final

import msgspec
import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open

from schemas.errors import InvalidFile
from workers.encoders.bert_families import FAMILIES, RELATIVE_ATTENTION, Family
from workers.encoders.json_file import read_json

# BERT-large has 1.3 GB; an ONNX file (protocol buffers) must be smaller than 2 GiB.
MAX_WEIGHT_BYTES: Final = 1_900_000_000
_FLOATS: Final = ("F32", "F16", "F64")
_COUNT = Annotated[int, msgspec.Meta(ge=1, le=65_536)]


class BertConfig(msgspec.Struct, frozen=True, kw_only=True):
    """The values of ``config.json`` that define the network, under Hugging Face's names."""

    model_type: str
    hidden_size: _COUNT
    num_hidden_layers: Annotated[int, msgspec.Meta(ge=1, le=96)]
    num_attention_heads: _COUNT
    intermediate_size: _COUNT
    max_position_embeddings: _COUNT
    vocab_size: Annotated[int, msgspec.Meta(ge=1, le=2_000_000)]
    type_vocab_size: _COUNT = 2
    layer_norm_eps: Annotated[float, msgspec.Meta(gt=0, le=1)] = 1e-12
    hidden_act: str = "gelu"
    position_embedding_type: str | None = "absolute"
    relative_attention_num_buckets: Annotated[int, msgspec.Meta(ge=4, le=1_024)] = 32
    is_decoder: bool = False

    @property
    def family(self) -> Family:
        """How the network differs from BERT."""
        return FAMILIES[self.model_type]

    @property
    def positions(self) -> int:
        """The maximum number of tokens of a text, including special tokens."""
        return self.max_position_embeddings - self.family.first_position


def layer_prefix(layer: int) -> str:
    """Return the prefix of the weight names of a layer."""
    return f"encoder.layer.{layer}"


def read_config(path: Path) -> BertConfig:
    """Read ``config.json``. Raises :class:`InvalidFile` if it is not that of an encoder that can be converted."""
    raw = read_json(path)
    model_type = raw.get("model_type") if isinstance(raw, dict) else None
    if not isinstance(model_type, str) or model_type not in FAMILIES:
        raise InvalidFile(
            f"{path}: model_type is {model_type!r}; only {', '.join(FAMILIES)} are converted. Others (distilbert, "
            "modernbert, nomic_bert, new) compute differently: export them to ONNX with their own tools and put "
            "model.onnx into the directory"
        )
    try:
        config = msgspec.convert(raw, BertConfig)
    except msgspec.ValidationError as error:
        raise InvalidFile(f"{path}: {error}; download the file again") from None
    for refused, reason in _reasons(config):
        if refused:
            raise InvalidFile(f"{path}: {reason}; export the model to ONNX with its own tools instead")
    return config


def _reasons(config: BertConfig) -> list[tuple[bool, str]]:
    kind = config.position_embedding_type
    return [
        (
            config.hidden_act != "gelu",
            f"hidden_act is {config.hidden_act!r}; only the exact 'gelu' is written",
        ),
        (kind not in (None, "absolute"), f"position_embedding_type is {kind!r}; only 'absolute' is written"),
        (config.is_decoder, "is_decoder is true; only encoders are written"),
        (
            config.hidden_size % config.num_attention_heads != 0,
            f"hidden_size {config.hidden_size} is no multiple of num_attention_heads {config.num_attention_heads}",
        ),
        (config.positions < 1, f"max_position_embeddings is {config.max_position_embeddings}, too few"),
    ]


def expected_shapes(config: BertConfig) -> dict[str, tuple[int, ...]]:
    """Return the shape of every weight that the network needs, by its name in BERT."""
    wide, narrow = config.intermediate_size, config.hidden_size
    shapes: dict[str, tuple[int, ...]] = {
        "embeddings.word_embeddings.weight": (config.vocab_size, narrow),
        "embeddings.position_embeddings.weight": (config.max_position_embeddings, narrow),
        "embeddings.LayerNorm.weight": (narrow,),
        "embeddings.LayerNorm.bias": (narrow,),
    }
    if config.family.token_types:
        shapes["embeddings.token_type_embeddings.weight"] = (config.type_vocab_size, narrow)
    if config.family.relative_attention:
        shapes[RELATIVE_ATTENTION] = (config.relative_attention_num_buckets, config.num_attention_heads)
    linear = {
        "attention.self.query": (narrow, narrow),
        "attention.self.key": (narrow, narrow),
        "attention.self.value": (narrow, narrow),
        "attention.output.dense": (narrow, narrow),
        "intermediate.dense": (wide, narrow),
        "output.dense": (narrow, wide),
    }
    for layer in range(config.num_hidden_layers):
        prefix = layer_prefix(layer)
        for name, shape in linear.items():
            shapes[f"{prefix}.{name}.weight"] = shape
            shapes[f"{prefix}.{name}.bias"] = shape[:1]
        for name in ("attention.output.LayerNorm", "output.LayerNorm"):
            shapes[f"{prefix}.{name}.weight"] = shapes[f"{prefix}.{name}.bias"] = (narrow,)
    return shapes


def read_weights(path: Path, config: BertConfig) -> dict[str, NDArray[np.float32]]:
    """Read the weights as float32 under the names of :func:`expected_shapes`.

    The family's prefix, which models saved with a task's head have, is removed; the pooler and heads are left out.
    Raises :class:`InvalidFile` if the file is missing, too large, not safetensors or truncated, or if a weight is
    missing, has another shape or an unsupported type (such as bfloat16 or int8), or is not finite.
    """
    if not path.is_file():
        raise InvalidFile(
            f"{path}: no such file; only safetensors are read (a pickle such as pytorch_model.bin could run code)"
        )
    if path.stat().st_size > MAX_WEIGHT_BYTES:
        raise InvalidFile(f"{path}: {path.stat().st_size:,} bytes; at most {MAX_WEIGHT_BYTES:,} can be converted")
    try:
        with safe_open(path, framework="numpy") as file:
            names = set(file.keys())
            family = config.family
            prefix = family.prefix if f"{family.prefix}embeddings.word_embeddings.weight" in names else ""
            return {
                name: _read_one(path, file, prefix + family.name(name), shape, names)
                for name, shape in expected_shapes(config).items()
            }
    except SafetensorError as error:
        raise InvalidFile(f"{path}: not a whole safetensors file ({error}); download it again") from None


def _read_one(path: Path, file: Any, name: str, shape: tuple[int, ...], names: set[str]) -> NDArray[np.float32]:
    if name not in names:
        raise InvalidFile(
            f"{path}: the weight {name} is missing; config.json and the file belong to different models"
        )
    part = file.get_slice(name)
    if tuple(part.get_shape()) != shape:
        raise InvalidFile(f"{path}: {name} has shape {tuple(part.get_shape())} but config.json asks for {shape}")
    if part.get_dtype() not in _FLOATS:
        raise InvalidFile(f"{path}: {name} is {part.get_dtype()}; save the model as float32 or float16 first")
    values: NDArray[np.float32] = np.asarray(file.get_tensor(name), dtype=np.float32)
    if not np.isfinite(values).all():
        raise InvalidFile(f"{path}: {name} holds a value that is not finite; download it again")
    return values
