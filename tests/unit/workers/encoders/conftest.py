"""A tiny encoder as a source to convert, converted, and saved."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.tiny_bert import TinyBert
from workers.encoders.convert import convert
from workers.encoders.onnx import OnnxEncoder


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> TinyBert:
    return TinyBert(tmp_path_factory.mktemp("tiny"))


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
