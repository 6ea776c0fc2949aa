"""Sentence vectors through ONNX Runtime: same text, same bits; and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from schemas.errors import InvalidFile
from workers.encoders.load import load_encoder
from workers.encoders.onnx import OnnxEncoder
from workers.encoders.onnx_session import BATCH_SIZES

texts_of_words = st.lists(st.integers(0, 59).map(lambda n: f"word{n}"), min_size=1, max_size=50).map(" ".join)


def write_graph(path: Path, nodes: list[Any], inputs: list[Any], outputs: list[Any], weights: Any = ()) -> None:
    tensors = [numpy_helper.from_array(value, name) for name, value in dict(weights).items()]
    graph = helper.make_graph(nodes, "graph", inputs, outputs, tensors)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 8
    path.write_bytes(model.SerializeToString())


def ids_input(name: str = "input_ids", kind: int = TensorProto.INT64) -> Any:
    return helper.make_tensor_value_info(name, kind, ["batch", "sequence"])


def write_lookup(path: Path, table: Any, *, pooled: bool, output: str = "anything", kind: int = 7) -> None:
    """A graph that looks up one row a token, and gives the rows or their largest values."""
    nodes = [helper.make_node("Gather", ["table", "input_ids"], ["rows" if pooled else output])]
    shape: list[Any] = ["batch", "sequence", table.shape[1]]
    if pooled:
        nodes.append(helper.make_node("ReduceMax", ["rows"], [output], axes=[1], keepdims=0))
        shape = ["batch", table.shape[1]]
    outputs = [helper.make_tensor_value_info(output, TensorProto.FLOAT, shape)]
    write_graph(path, nodes, [ids_input(kind=kind)], outputs, {"table": table})


@given(st.lists(texts_of_words, min_size=1, max_size=30), st.randoms(use_true_random=False))
@settings(max_examples=40)
def test_a_text_has_the_same_bits_whatever_its_batch_and_order(
    encoder: OnnxEncoder, texts: list[str], random: Any
) -> None:
    alone = {text: encoder.encode([text])[0].tobytes() for text in texts}
    shuffled = texts * 2
    random.shuffle(shuffled)
    assert [row.tobytes() for row in encoder.encode(shuffled)] == [alone[text] for text in shuffled]


def test_texts_of_one_length_run_together_and_keep_their_bits(encoder: OnnxEncoder) -> None:
    texts = [f"word{a} word{b} word{a}" for a in range(13) for b in range(3)]
    alone = np.concatenate([encoder.encode([text]) for text in texts])
    assert encoder.batch_sizes[0] == BATCH_SIZES[0]
    assert encoder.encode(texts).tobytes() == alone.tobytes()


def test_a_model_that_mixes_its_batch_runs_texts_one_by_one(saved: Path) -> None:
    table = np.random.default_rng(2).normal(size=(64, 6)).astype(np.float32)
    nodes = [
        helper.make_node("Gather", ["table", "input_ids"], ["rows"]),
        helper.make_node("ReduceMax", ["rows"], ["largest"], keepdims=1),
        helper.make_node("Div", ["rows", "largest"], ["scaled"]),
        helper.make_node("Add", ["scaled", "largest"], ["mixed"]),
    ]
    output = helper.make_tensor_value_info("mixed", TensorProto.FLOAT, ["batch", "sequence", 6])
    write_graph(saved / "model.onnx", nodes, [ids_input()], [output], {"table": table})
    encoder = OnnxEncoder.load(saved)
    texts = ["word1 word2", "word3 word4", "word5 word6"]
    assert encoder.batch_sizes == (1,)
    assert encoder.encode(texts).tobytes() == b"".join(encoder.encode([text]).tobytes() for text in texts)


def test_vectors_are_float32_of_length_one(encoder: OnnxEncoder) -> None:
    vectors = encoder.encode(["word1", "word2 word3"])
    assert vectors.dtype == np.float32
    assert vectors.shape == (2, encoder.dimensions) == (2, 64)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, rtol=1e-6)


@pytest.mark.parametrize("text", ["", "  \n", "🦄", "unheard of"])
def test_a_text_without_a_known_word_gives_zeros(encoder: OnnxEncoder, text: str) -> None:
    assert not encoder.encode([text]).any()


def test_no_texts_give_no_rows(encoder: OnnxEncoder) -> None:
    assert encoder.encode([]).shape == (0, 64)


def test_a_lone_surrogate_is_no_crash(encoder: OnnxEncoder) -> None:
    assert encoder.encode(["word1 \ud800"])[0].any()


def test_a_text_is_cut_at_the_limit_of_tokens(saved: Path) -> None:
    encoder = OnnxEncoder.load(saved, max_tokens=10)
    words = [f"word{number}" for number in range(20)]
    long, cut, shorter = encoder.encode([" ".join(words), " ".join(words[:8]), " ".join(words[:7])])
    assert long.tobytes() == cut.tobytes() != shorter.tobytes()


def test_more_tokens_than_the_model_has_positions_are_refused(saved: Path) -> None:
    with pytest.raises(InvalidFile, match="fails on a text of 49 tokens"):
        OnnxEncoder.load(saved, max_tokens=49)


def test_what_is_saved_gives_the_same_vectors_when_loaded(encoder: OnnxEncoder, saved: Path) -> None:
    loaded = load_encoder(saved)
    texts = ["word1 word2", "word40"]
    assert sorted(path.name for path in saved.iterdir()) == ["encoder.json", "model.onnx", "tokenizer.json"]
    assert (loaded.name, loaded.dimensions) == ("tiny", 64)
    assert loaded.encode(texts).tobytes() == encoder.encode(texts).tobytes()


def test_a_prefix_is_put_before_each_text(saved: Path, encoder: OnnxEncoder) -> None:
    raw = orjson.loads((saved / "encoder.json").read_bytes())
    (saved / "encoder.json").write_bytes(orjson.dumps(raw | {"prefix": "word9 "}))
    prefixed = OnnxEncoder.load(saved)
    assert prefixed.encode(["word1"]).tobytes() == encoder.encode(["word9 word1"]).tobytes()
    assert not prefixed.encode([""]).any()


@pytest.mark.parametrize("kind", [TensorProto.INT64, TensorProto.INT32])
def test_a_graph_with_one_pooled_output_is_taken_as_it_is(saved: Path, kind: int) -> None:
    table = np.abs(np.random.default_rng(2).normal(size=(64, 6))).astype(np.float32)
    write_lookup(saved / "model.onnx", table, pooled=True, kind=kind)
    expected = table[[2, 4, 5, 3]].max(axis=0)  # [CLS] word0 word1 [SEP]
    vector = OnnxEncoder.load(saved).encode(["word0 word1"])[0]
    np.testing.assert_allclose(vector, expected / np.linalg.norm(expected), rtol=1e-6)


@pytest.mark.parametrize("pooling", ["mean", "cls"])
def test_token_vectors_are_pooled_as_the_settings_say(saved: Path, pooling: str) -> None:
    table = np.random.default_rng(2).normal(size=(64, 6)).astype(np.float32)
    write_lookup(saved / "model.onnx", table, pooled=False, output="token_embeddings")
    raw = orjson.loads((saved / "encoder.json").read_bytes())
    (saved / "encoder.json").write_bytes(orjson.dumps(raw | {"pooling": pooling}))
    expected = table[2] if pooling == "cls" else table[[2, 4, 5, 3]].mean(axis=0)
    vector = OnnxEncoder.load(saved).encode(["word0 word1"])[0]
    np.testing.assert_allclose(vector, expected / np.linalg.norm(expected), rtol=1e-5)


def test_a_sentence_transformers_directory_with_an_onnx_folder_is_read(source: Path, saved: Path) -> None:
    (source / "onnx").mkdir()
    (saved / "model.onnx").rename(source / "onnx" / "model.onnx")
    (source / "1_Pooling" / "config.json").write_bytes(b'{"pooling_mode_cls_token": true}')
    (source / "sentence_bert_config.json").write_bytes(b'{"max_seq_length": 20}')
    loaded = OnnxEncoder.load(source)
    assert (loaded.name, loaded.settings.pooling, loaded.settings.max_tokens) == ("source", "cls", 20)


@pytest.mark.parametrize("file", ["model.onnx", "tokenizer.json"])
def test_a_missing_file_is_refused_by_name(saved: Path, file: str) -> None:
    (saved / file).unlink()
    with pytest.raises(InvalidFile, match=rf"{file}: no such file"):
        OnnxEncoder.load(saved)


@pytest.mark.parametrize("keep", [0, 100, -5])
def test_a_truncated_model_file_is_refused_by_name(saved: Path, keep: int) -> None:
    data = (saved / "model.onnx").read_bytes()
    (saved / "model.onnx").write_bytes(data[:keep])
    with pytest.raises(InvalidFile, match=r"model\.onnx: not a complete, supported ONNX file"):
        OnnxEncoder.load(saved)


def test_a_file_that_is_not_onnx_is_refused_by_name(saved: Path) -> None:
    (saved / "model.onnx").write_text("<html>404</html>")
    with pytest.raises(InvalidFile, match=r"model\.onnx: not a complete, supported ONNX file"):
        OnnxEncoder.load(saved)


def test_weights_in_a_second_file_are_refused(saved: Path) -> None:
    model = onnx.load(saved / "model.onnx")
    onnx.save_model(model, saved / "model.onnx", save_as_external_data=True, size_threshold=0, location="weights")
    with pytest.raises(InvalidFile, match="export the model as one file"):
        OnnxEncoder.load(saved)


def test_unknown_inputs_are_refused_by_name(saved: Path) -> None:
    output = helper.make_tensor_value_info("out", TensorProto.INT64, ["batch", "sequence"])
    nodes = [helper.make_node("Identity", ["pixel_values"], ["out"])]
    write_graph(saved / "model.onnx", nodes, [ids_input("pixel_values")], [output])
    with pytest.raises(InvalidFile, match="pixel_values"):
        OnnxEncoder.load(saved)


def test_inputs_that_are_not_integers_are_refused(saved: Path) -> None:
    output = helper.make_tensor_value_info("out", TensorProto.FLOAT, ["batch", "sequence"])
    nodes = [helper.make_node("Identity", ["input_ids"], ["out"])]
    write_graph(saved / "model.onnx", nodes, [ids_input(kind=TensorProto.FLOAT)], [output])
    with pytest.raises(InvalidFile, match=r"input_ids tensor\(float\)"):
        OnnxEncoder.load(saved)


def test_outputs_that_are_no_embedding_are_refused_by_name(saved: Path) -> None:
    output = helper.make_tensor_value_info("labels", TensorProto.INT64, ["batch", "sequence"])
    write_graph(
        saved / "model.onnx", [helper.make_node("Identity", ["input_ids"], ["labels"])], [ids_input()], [output]
    )
    with pytest.raises(InvalidFile, match=r"labels tensor\(int64\)"):
        OnnxEncoder.load(saved)


def test_an_output_of_another_rank_is_refused(saved: Path) -> None:
    table = np.ones((64, 2, 2), dtype=np.float32)
    output = helper.make_tensor_value_info("out", TensorProto.FLOAT, ["batch", "sequence", 2, 2])
    nodes = [helper.make_node("Gather", ["table", "input_ids"], ["out"])]
    write_graph(saved / "model.onnx", nodes, [ids_input()], [output], {"table": table})
    with pytest.raises(InvalidFile, match=r"has shape \(1, 5, 2, 2\)"):
        OnnxEncoder.load(saved)


def test_a_tokenizer_with_more_words_than_the_model_is_refused(saved: Path) -> None:
    write_lookup(saved / "model.onnx", np.ones((50, 6), dtype=np.float32), pooled=False)
    with pytest.raises(InvalidFile, match="may belong to another model"):
        OnnxEncoder.load(saved)


def test_a_model_that_gives_no_finite_values_is_refused(saved: Path) -> None:
    write_lookup(saved / "model.onnx", np.full((64, 6), np.inf, dtype=np.float32), pooled=False)
    with pytest.raises(InvalidFile, match="not finite"):
        OnnxEncoder.load(saved)


def test_a_damaged_tokenizer_is_refused_by_name(saved: Path) -> None:
    (saved / "tokenizer.json").write_bytes((saved / "tokenizer.json").read_bytes()[:200])
    with pytest.raises(InvalidFile, match=r"tokenizer\.json: not a tokenizer's file"):
        OnnxEncoder.load(saved)


@pytest.mark.parametrize("table", ["AAAA", "AAAAAA=="])
def test_a_tokenizer_whose_own_tables_are_damaged_is_refused_by_name(saved: Path, table: str) -> None:
    raw = orjson.loads((saved / "tokenizer.json").read_bytes())
    raw["normalizer"] = {"type": "Precompiled", "precompiled_charsmap": table}
    (saved / "tokenizer.json").write_bytes(orjson.dumps(raw))
    with pytest.raises(InvalidFile, match=r"tokenizer\.json: not a tokenizer's file"):
        OnnxEncoder.load(saved)


@pytest.mark.parametrize(
    ("change", "named"),
    [({"pooling": "max"}, "pooling"), ({"max_tokens": 3}, "max_tokens"), ({"colour": 1}, "colour")],
)
def test_settings_that_cannot_be_followed_are_refused_by_name(
    saved: Path, change: dict[str, object], named: str
) -> None:
    raw = orjson.loads((saved / "encoder.json").read_bytes())
    (saved / "encoder.json").write_bytes(orjson.dumps(raw | change))
    with pytest.raises(InvalidFile, match=rf"encoder\.json: .*{named}"):
        OnnxEncoder.load(saved)


def test_dynamic_quantisation_keeps_the_same_bits_too(saved: Path) -> None:
    """It scales by the largest value of a whole batch: batches are found to differ, and are not used."""
    from onnxruntime.quantization import QuantType, quantize_dynamic

    model = onnx.load(saved / "model.onnx")
    quantize_dynamic(model, str(saved / "model.onnx"), weight_type=QuantType.QInt8)
    encoder = OnnxEncoder.load(saved)
    texts = [f"word{a} word{a + 1} word{a + 2}" for a in range(9)]
    assert encoder.batch_sizes == (1,)
    assert encoder.encode(texts).tobytes() == b"".join(encoder.encode([text]).tobytes() for text in texts)
