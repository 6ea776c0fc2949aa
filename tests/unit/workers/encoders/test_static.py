"""The default encoder: the mean of pretrained token vectors."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.errors import InvalidFile
from workers.encoders import static
from workers.encoders.load import load_encoder
from workers.encoders.static import StaticEncoder


@pytest.fixture(scope="module")
def encoder() -> StaticEncoder:
    return StaticEncoder.pretrained()


def test_words_of_one_meaning_are_near(encoder: StaticEncoder) -> None:
    sofa, couch, drill = encoder.encode(["leather sofa", "Couch of leather", "cordless drill"])
    assert sofa @ couch > sofa @ drill + 0.2


ENCODER = StaticEncoder.pretrained()


@given(texts=st.lists(st.text(max_size=40), min_size=1, max_size=8))
def test_a_text_has_the_same_vector_in_any_batch_and_length_one_or_none(texts: list[str]) -> None:
    together = ENCODER.encode(texts)
    for text, vector in zip(texts, together, strict=True):
        assert np.array_equal(ENCODER.encode([text])[0], vector)
        assert float(np.linalg.norm(vector)) == pytest.approx(1, abs=1e-4) if text.split() else not vector.any()


def test_a_saved_encoder_gives_the_same_bits(encoder: StaticEncoder, tmp_path: Path) -> None:
    encoder.save(tmp_path)
    texts = ["Desk lamp, black", "", "zażółć gęślą jaźń"]
    assert np.array_equal(load_encoder(tmp_path).encode(texts), encoder.encode(texts))


def test_a_lone_surrogate_is_read_as_a_question_mark(encoder: StaticEncoder) -> None:
    assert np.array_equal(encoder.encode(["lamp \udc80"]), encoder.encode(["lamp ?"]))


def test_a_missing_package_is_named_with_the_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(static, "_PACKAGE", "wordllama_that_is_not_there")
    with pytest.raises(InvalidFile, match="pip install wordllama_that_is_not_there"):
        StaticEncoder.pretrained()
