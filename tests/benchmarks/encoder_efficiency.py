"""How close a sentence encoder comes to the limit of the machine: the time of its matrix products alone.

The limit is the time that ONNX Runtime, or NumPy's BLAS if that is faster, takes on one thread for the products
with the model's weights, at exactly the number of tokens that the texts have. The encoder's other work (tokens,
attention, layer norms, activations, pooling) and anything it wastes on padding show as less than 100 %.

Needs the extra: ``pip install -e '.[encoders]'``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import process_time
from typing import Any, Final

import click
import numpy as np
import orjson
from threadpoolctl import threadpool_limits

from tests.benchmarks.catalogue_options import DATA, DATASET, DIRECTORY
from tests.benchmarks.quality.datasets import DATASETS, read_catalogue
from workers.encoders.onnx import OnnxEncoder, cut
from workers.text.product_text import branded_text

_TRIALS: Final = 7


@dataclass(frozen=True, slots=True)
class Product:
    """A matrix product of (rows, inner) with (inner, columns)."""

    rows: int
    inner: int
    columns: int

    @property
    def operations(self) -> int:
        """The number of floating-point operations."""
        return 2 * self.rows * self.inner * self.columns


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--encoder", type=DIRECTORY, required=True, help="Of `shelfwise encoder`.")
@DATA
@DATASET
@click.option("--texts", type=click.IntRange(1), default=1_024, show_default=True)
@click.option("--rounds", type=click.IntRange(1), default=5, show_default=True)
def main(encoder: Path, data: Path, dataset: str, texts: int, rounds: int) -> None:
    """Encode real texts, time the products of the same size alone, turn by turn, and print JSON.

    Example: python -m tests.benchmarks.encoder_efficiency --encoder var/encoders/minilm
    """
    products = read_catalogue(DATASETS[dataset], data).products.products
    asked = list(dict.fromkeys(map(branded_text, products)))[:texts]
    model = OnnxEncoder.load(encoder)
    lengths = _lengths(encoder, model, asked)
    parts = _products(encoder / "model.onnx", lengths, model.batch_sizes)
    found = []
    with threadpool_limits(1):
        for _ in range(rounds):
            spent = _seconds(lambda: model.encode(asked))
            found.append((_limit(parts) / spent, spent))
    shares, seconds = np.array(found).T
    click.echo(
        orjson.dumps(
            {
                "encoder": model.name,
                "texts": len(asked),
                "tokens_a_text": round(float(np.mean(lengths)), 1),
                "milliseconds_a_text": _spread(1e3 * seconds / len(asked), 2),
                "of_the_limit": _spread(shares, 3),
                "limit_gigaflops": round(
                    sum(each.operations * count for each, count in parts.items())
                    / float(np.median(shares * seconds))
                    / 1e9
                ),
            },
            option=orjson.OPT_INDENT_2,
        )
    )


def _lengths(directory: Path, model: OnnxEncoder, texts: Sequence[str]) -> list[int]:
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(directory / "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.enable_truncation(model.settings.max_tokens)
    return [
        len(encoding.ids) for encoding in tokenizer.encode_batch([model.settings.prefix + text for text in texts])
    ]


def _products(file: Path, lengths: Sequence[int], sizes: tuple[int, ...]) -> Counter[Product]:
    """Return the products with weights that texts of these lengths need, batched as the encoder does."""
    import onnx

    graph = onnx.load(file).graph
    weights = {each.name: tuple(each.dims) for each in graph.initializer}
    shapes = [
        weights[name] for node in graph.node if node.op_type == "MatMul" for name in node.input if name in weights
    ]
    found: Counter[Product] = Counter()
    for length, texts in Counter(lengths).items():
        for batch in cut(range(texts), sizes):
            found.update(Product(len(batch) * length, inner, columns) for inner, columns in shapes)
    return found


def _limit(products: Counter[Product]) -> float:
    """Return the CPU seconds of all products, each with the faster of the two libraries."""
    return sum(count * min(_fastest(run) for run in _runs(each)) for each, count in products.items())


def _runs(product: Product) -> Iterator[Callable[[], Any]]:
    import onnxruntime
    from onnx import TensorProto, helper, numpy_helper

    random = np.random.default_rng(0)
    left = random.normal(size=(product.rows, product.inner)).astype(np.float32)
    right = random.normal(size=(product.inner, product.columns)).astype(np.float32)
    yield lambda: left @ right
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["left", "right"], ["out"])],
        "product",
        [helper.make_tensor_value_info("left", TensorProto.FLOAT, left.shape)],
        [helper.make_tensor_value_info("out", TensorProto.FLOAT, (product.rows, product.columns))],
        [numpy_helper.from_array(right, "right")],
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(made.SerializeToString(), options, providers=["CPUExecutionProvider"])
    yield lambda: session.run(None, {"left": left})


def _fastest(run: Callable[[], Any]) -> float:
    run()
    return min(_seconds(run) for _ in range(_TRIALS))


def _seconds(run: Callable[[], Any]) -> float:
    began = process_time()
    run()
    return process_time() - began


def _spread(values: np.ndarray, digits: int) -> dict[str, float]:
    found = {"median": np.median(values), "least": values.min(), "most": values.max()}
    return {name: round(float(value), digits) for name, value in found.items()}


if __name__ == "__main__":
    main()
