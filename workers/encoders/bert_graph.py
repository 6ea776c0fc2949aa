"""Build the ONNX graph of BERT and similar models node by node from weights, without a deep-learning framework.

The network is that of Devlin et al., "BERT: Pre-training of Deep Bidirectional Transformers for Language
Understanding" (2019), section 3, with post-layer normalisation, learned absolute positions and the exact GELU
``x * (1 + erf(x / sqrt 2)) / 2`` of Hendrycks and Gimpel, "Gaussian Error Linear Units" (2016).
:mod:`workers.encoders.bert_families` describes how similar models differ.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from workers.encoders.bert_families import RELATIVE_ATTENTION, distance_buckets
from workers.encoders.bert_weights import BertConfig, layer_prefix

# The lowest version with LayerNormalization as a single operator, so that old runtimes can read the file too.
OPSET: Final = 17
IR_VERSION: Final = 8
OUTPUT_NAME: Final = "last_hidden_state"
# Added to the attention scores of masked positions: far below any score, so its exp is exactly 0 in float32.
_MASKED_SCORE: Final = np.float32(-1e9)

Weights = Mapping[str, NDArray[np.float32]]


def build(
    config: BertConfig, weights: Weights, progress: Callable[[int, int], None] = lambda _done, _total: None
) -> Any:
    """Return the ``onnx.ModelProto`` of the encoder.

    Its inputs are ``input_ids``, ``attention_mask`` and, if the family uses them, ``token_type_ids``: int64
    (batch, sequence), with both axes dynamic. Its output is ``last_hidden_state``, float32 (batch, sequence,
    hidden_size). ``weights`` holds float32 arrays under the names of Hugging Face's ``BertModel``, the weight of a
    linear layer as (out, in), already checked by :func:`workers.encoders.bert_weights.read_weights`. ``progress``
    is called with (layers done, layers).
    """
    graph = _Graph(weights)
    hidden = _embeddings(graph, config)
    bias = _attention_bias(graph, config)
    for layer in range(config.num_hidden_layers):
        hidden = _layer(graph, config, layer_prefix(layer), hidden, bias)
        progress(layer + 1, config.num_hidden_layers)
    graph.add("Identity", [hidden], output=OUTPUT_NAME)
    names = ["input_ids", "attention_mask", *(["token_type_ids"] if config.family.token_types else [])]
    inputs = [helper.make_tensor_value_info(name, TensorProto.INT64, ["batch", "sequence"]) for name in names]
    shape = ["batch", "sequence", config.hidden_size]
    outputs = [helper.make_tensor_value_info(OUTPUT_NAME, TensorProto.FLOAT, shape)]
    proto = helper.make_graph(graph.nodes, "bert", inputs, outputs, graph.initializers)
    model = helper.make_model(proto, opset_imports=[helper.make_opsetid("", OPSET)], producer_name="shelfwise")
    model.ir_version = IR_VERSION
    return model


class _Graph:
    """Collects the nodes and initialisers of a graph; every value is referred to by its name."""

    def __init__(self, weights: Weights) -> None:
        self.weights = weights
        self.nodes: list[Any] = []
        self.initializers: list[Any] = []
        self._stored: set[str] = set()

    def add(self, operator: str, inputs: Sequence[str], output: str = "", **attributes: object) -> str:
        """Append a node and return the name of its output."""
        output = output or f"{operator}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(operator, list(inputs), [output], name=f"{output}_node", **attributes))
        return output

    def split(self, source: str, parts: int, width: int) -> list[str]:
        """Append a node that splits the last axis into ``parts`` pieces of ``width``; return their names."""
        outputs = [f"Split_{len(self.nodes)}_{part}" for part in range(parts)]
        sizes = self.constant(f"sizes_{parts}x{width}", np.full(parts, width, dtype=np.int64))
        self.nodes.append(helper.make_node("Split", [source, sizes], outputs, name=f"{outputs[0]}_node", axis=-1))
        return outputs

    def constant(self, name: str, value: NDArray[Any] | np.float32) -> str:
        """Store an initialiser under its name unless it is stored already; return the name."""
        if name not in self._stored:
            self._stored.add(name)
            self.initializers.append(numpy_helper.from_array(np.asarray(value, order="C"), name))
        return name

    def weight(self, name: str) -> str:
        """Store a weight unchanged; return its name."""
        return self.constant(name, self.weights[name])

    def linear(self, source: str, names: Sequence[str]) -> str:
        """Append ``source @ W.T + b``; several layers with the same source become one product, which is faster."""
        label = "+".join(names)
        matrix = np.concatenate([self.weights[f"{name}.weight"] for name in names]).T
        offset = np.concatenate([self.weights[f"{name}.bias"] for name in names])
        product = self.add("MatMul", [source, self.constant(f"{label}.weight", matrix)])
        return self.add("Add", [product, self.constant(f"{label}.bias", offset)])

    def layer_norm(self, source: str, name: str, epsilon: float) -> str:
        """Append a layer normalisation over the last axis."""
        inputs = [source, self.weight(f"{name}.weight"), self.weight(f"{name}.bias")]
        return self.add("LayerNormalization", inputs, axis=-1, epsilon=epsilon)


def _embeddings(graph: _Graph, config: BertConfig) -> str:
    """Append the normalised sum of word, position and token type embeddings; shape (batch, sequence, hidden)."""
    total = graph.add("Gather", [graph.weight("embeddings.word_embeddings.weight"), "input_ids"], axis=0)
    if config.family.token_types:
        table = graph.weight("embeddings.token_type_embeddings.weight")
        total = graph.add("Add", [total, graph.add("Gather", [table, "token_type_ids"], axis=0)])
    positions = graph.add("Add", [_range(graph), _integer(graph, config.family.first_position)])
    table = graph.weight("embeddings.position_embeddings.weight")
    total = graph.add("Add", [total, graph.add("Gather", [table, positions], axis=0)])
    return graph.layer_norm(total, "embeddings.LayerNorm", config.layer_norm_eps)


def _integer(graph: _Graph, value: int) -> str:
    return graph.constant(f"integer_{value}", np.array(value, dtype=np.int64))


def _range(graph: _Graph) -> str:
    """Append the numbers 0, 1, ... of the tokens of a text; shape (sequence,)."""
    length = graph.add("Gather", [graph.add("Shape", ["input_ids"]), _integer(graph, 1)], axis=0)
    return graph.add("Range", [_integer(graph, 0), length, _integer(graph, 1)])


def _attention_bias(graph: _Graph, config: BertConfig) -> str:
    """Append the bias that is added to attention scores.

    It is very low for positions that may not be attended to, else 0; some families also add a bias by distance.
    The shape is (batch, 1, 1, sequence), or (batch, heads, sequence, sequence) with a bias by distance.
    """
    axes = graph.constant("mask_axes", np.array([1, 2], dtype=np.int64))
    mask = graph.add("Cast", [graph.add("Unsqueeze", ["attention_mask", axes])], to=TensorProto.FLOAT)
    absent = graph.add("Sub", [graph.constant("one_float", np.float32(1)), mask])
    masked = graph.add("Mul", [absent, graph.constant("masked_score", _MASKED_SCORE)])
    return (
        graph.add("Add", [masked, _distance_bias(graph, config)]) if config.family.relative_attention else masked
    )


def _distance_bias(graph: _Graph, config: BertConfig) -> str:
    """Append the bias for attending to each token (last axis) by its distance; (heads, sequence, sequence)."""
    most = config.positions - 1
    buckets = distance_buckets(np.arange(-most, most + 1), config.relative_attention_num_buckets)
    table = graph.constant("by_distance", graph.weights[RELATIVE_ATTENTION][buckets])
    numbers = _range(graph)
    columns = graph.add("Unsqueeze", [numbers, graph.constant("first_axis", np.array([0], dtype=np.int64))])
    rows = graph.add("Unsqueeze", [numbers, graph.constant("second_axis", np.array([1], dtype=np.int64))])
    distances = graph.add("Add", [graph.add("Sub", [columns, rows]), _integer(graph, most)])
    return graph.add("Transpose", [graph.add("Gather", [table, distances], axis=0)], perm=[2, 0, 1])


def _layer(graph: _Graph, config: BertConfig, prefix: str, hidden: str, bias: str) -> str:
    attended = _attention(graph, config, f"{prefix}.attention.self", hidden, bias)
    projected = graph.linear(attended, [f"{prefix}.attention.output.dense"])
    residual = graph.add("Add", [projected, hidden])
    middle = graph.layer_norm(residual, f"{prefix}.attention.output.LayerNorm", config.layer_norm_eps)
    wide = _gelu(graph, graph.linear(middle, [f"{prefix}.intermediate.dense"]))
    narrow = graph.linear(wide, [f"{prefix}.output.dense"])
    return graph.layer_norm(
        graph.add("Add", [narrow, middle]), f"{prefix}.output.LayerNorm", config.layer_norm_eps
    )


def _attention(graph: _Graph, config: BertConfig, prefix: str, hidden: str, bias: str) -> str:
    """Append multi-head attention; the softmax is over the last axis of (batch, heads, sequence, sequence)."""
    width = config.hidden_size // config.num_attention_heads
    joined = graph.linear(hidden, [f"{prefix}.{part}" for part in ("query", "key", "value")])
    heads = graph.constant("heads", np.array([0, 0, config.num_attention_heads, width], dtype=np.int64))
    query, key, value = (
        graph.add("Reshape", [part, heads]) for part in graph.split(joined, 3, config.hidden_size)
    )
    query = graph.add("Transpose", [query], perm=[0, 2, 1, 3])
    key = graph.add("Transpose", [key], perm=[0, 2, 3, 1])
    value = graph.add("Transpose", [value], perm=[0, 2, 1, 3])
    scale = graph.constant("attention_scale", np.float32(1 / math.sqrt(width)))
    scores = graph.add("Mul", [graph.add("MatMul", [query, key]), scale])
    shares = graph.add("Softmax", [graph.add("Add", [scores, bias])], axis=-1)
    mixed = graph.add("Transpose", [graph.add("MatMul", [shares, value])], perm=[0, 2, 1, 3])
    return graph.add(
        "Reshape", [mixed, graph.constant("joined", np.array([0, 0, config.hidden_size], dtype=np.int64))]
    )


def _gelu(graph: _Graph, source: str) -> str:
    """Append the exact GELU, with the operators in the order that runtimes can fuse into one."""
    scaled = graph.add("Div", [source, graph.constant("sqrt_two", np.float32(math.sqrt(2)))])
    shifted = graph.add("Add", [graph.add("Erf", [scaled]), "one_float"])
    product = graph.add("Mul", [source, shifted])
    return graph.add("Mul", [product, graph.constant("half", np.float32(0.5))])
