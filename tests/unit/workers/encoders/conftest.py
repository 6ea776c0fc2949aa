"""A tiny BERT with random weights, in the layout of sentence-transformers; nothing is downloaded."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pytest
from numpy.typing import NDArray
from safetensors.numpy import save_file
from tokenizers import Tokenizer, models, pre_tokenizers, processors

from workers.encoders.bert_weights import BertConfig, expected_shapes
from workers.encoders.convert import convert
from workers.encoders.onnx import OnnxEncoder

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
    """Writes the directory; ``weights`` are what it holds."""

    def __init__(self) -> None:
        self.config = msgspec_config(CONFIG)
        random = np.random.default_rng(1)
        self.weights: dict[str, NDArray[np.float32]] = {
            name: (random.normal(0, 0.3, shape) + ("LayerNorm.weight" in name)).astype(np.float32)
            for name, shape in expected_shapes(self.config).items()
        }

    def write(self, directory: Path) -> Path:
        directory.mkdir(parents=True)
        (directory / "1_Pooling").mkdir()
        write_json(directory / "config.json", CONFIG)
        write_json(directory / "modules.json", modules("Transformer", "Pooling", "Normalize"))
        write_json(directory / "1_Pooling" / "config.json", {"pooling_mode_mean_tokens": True})
        save_file(self.weights, directory / "model.safetensors")
        tokenizer().save(str(directory / "tokenizer.json"))
        return directory


def msgspec_config(raw: dict[str, Any]) -> BertConfig:
    import msgspec

    return msgspec.convert(raw, BertConfig)


def modules(*kinds: str) -> list[dict[str, Any]]:
    paths = {"Transformer": ""}
    return [
        {"idx": index, "path": paths.get(kind, f"{index}_{kind}"), "type": f"sentence_transformers.models.{kind}"}
        for index, kind in enumerate(kinds)
    ]


def write_json(path: Path, value: Any) -> None:
    path.write_bytes(orjson.dumps(value))


def tokenizer() -> Tokenizer:
    """One word is one token; padded to 40 tokens as MiniLM's file is to 128."""
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]
    made = Tokenizer(models.WordLevel({word: row for row, word in enumerate(special + WORDS)}, unk_token="[UNK]"))
    made.pre_tokenizer = pre_tokenizers.Whitespace()
    made.add_special_tokens(special)
    made.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    made.enable_padding(length=40)
    return made


@pytest.fixture(scope="session")
def tiny() -> TinyBert:
    return TinyBert()


@pytest.fixture
def source(tiny: TinyBert, tmp_path: Path) -> Path:
    """A fresh sentence-transformers directory that a test may damage."""
    return tiny.write(tmp_path / "source")


@pytest.fixture(scope="session")
def encoder(tiny: TinyBert, tmp_path_factory: pytest.TempPathFactory) -> OnnxEncoder:
    base = tmp_path_factory.mktemp("encoder")
    return convert(tiny.write(base / "source"), base / "out", name="tiny")


@pytest.fixture
def saved(encoder: OnnxEncoder, tmp_path: Path) -> Path:
    """A fresh copy of the converted encoder that a test may damage."""
    directory = tmp_path / "saved"
    directory.mkdir()
    encoder.save(directory)
    return directory
