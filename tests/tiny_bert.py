"""A tiny BERT or similar model with random weights, in sentence-transformers' format; nothing is downloaded."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray
from safetensors.numpy import save_file
from tokenizers import Tokenizer, models, pre_tokenizers, processors

from workers.encoders.bert_weights import expected_shapes, read_config

WORDS = [f"word{number}" for number in range(60)]
CONFIG: dict[str, Any] = {
    "model_type": "bert",
    "hidden_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 128,
    "max_position_embeddings": 48,
    "vocab_size": 64,
    "type_vocab_size": 2,
    "layer_norm_eps": 1e-12,
    "hidden_act": "gelu",
}


class TinyBert:
    """Writes the model's directory; ``weights`` holds its weights under BERT's names."""

    def __init__(self, base: Path, **change: Any) -> None:
        self.raw = CONFIG | change
        write_json(base / "config.json", self.raw)
        self.config = read_config(base / "config.json")
        random = np.random.default_rng(1)
        self.weights: dict[str, NDArray[np.float32]] = {
            name: (random.normal(0, 0.3, shape) + ("LayerNorm.weight" in name)).astype(np.float32)
            for name, shape in expected_shapes(self.config).items()
        }

    def write(self, directory: Path) -> Path:
        directory.mkdir(parents=True)
        (directory / "1_Pooling").mkdir()
        write_json(directory / "config.json", self.raw)
        write_json(directory / "modules.json", modules("Transformer", "Pooling", "Normalize"))
        write_json(directory / "1_Pooling" / "config.json", {"pooling_mode_mean_tokens": True})
        own_names = {self.config.family.name(name): values for name, values in self.weights.items()}
        save_file(own_names, directory / "model.safetensors")
        tokenizer().save(str(directory / "tokenizer.json"))
        return directory


def modules(*kinds: str) -> list[dict[str, Any]]:
    paths = {"Transformer": ""}
    return [
        {"idx": index, "path": paths.get(kind, f"{index}_{kind}"), "type": f"sentence_transformers.models.{kind}"}
        for index, kind in enumerate(kinds)
    ]


def write_json(path: Path, value: Any) -> None:
    path.write_bytes(orjson.dumps(value))


def tokenizer() -> Tokenizer:
    """Return a tokenizer with one token per word that pads to 40 tokens, as MiniLM's file pads to 128."""
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]
    made = Tokenizer(models.WordLevel({word: row for row, word in enumerate(special + WORDS)}, unk_token="[UNK]"))
    made.pre_tokenizer = pre_tokenizers.Whitespace()
    made.add_special_tokens(special)
    made.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    made.enable_padding(length=40)
    return made
