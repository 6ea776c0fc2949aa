"""Compare queries with all vectors in 8-bit integers, to find those that are worth an exact comparison.

A float32 matrix product reads four times as many bytes, and takes up to eight times as long if the processor has
instructions for 8-bit products (AVX-512 VNNI, AVX-VNNI, Arm's dot product). Integer sums are exact, so the result
for a query depends neither on the rest of its batch nor on the processor.

Source: symmetric linear quantisation, Jacob et al., "Quantization and Training of Neural Networks for Efficient
Integer-Arithmetic-Only Inference" (2018); ONNX, ``MatMulInteger``, by ONNX Runtime.
"""

from __future__ import annotations

from functools import cached_property
from typing import Any, Final, Self

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from onnx import TensorProto
from onnx.helper import make_graph, make_model, make_node, make_opsetid, make_tensor_value_info
from onnx.numpy_helper import from_array

from workers.arrays.segments import argsort_within_groups, position_in_group

# The largest integers in a vector and in a query. Processors without those instructions add two products in 16
# bits, which larger integers would overflow.
_VECTOR_STEPS: Final = 63
_QUERY_STEPS: Final = 127
# Added to each number of a query: the instructions multiply unsigned integers by signed ones.
_ZERO: Final = 128
_OPSET: Final = 17
_IR_VERSION: Final = 8
# The bound is searched among the greatest products of strides. A stride has at most this many vectors. Each vector
# wanted has at least three strides: with one stride each, five times as many vectors would pass the bound.
_MAX_STRIDE: Final = 64
_STRIDES_FOR_EACH: Final = 3


class EightBits:
    """m vectors, float32 (m, d) of L2 norm at most 1, rounded to one of 127 values in each dimension.

    For each of 512 products among 167,250, the 60 nearest by these values included all of the 48 nearest.
    """

    def __init__(self, vectors: NDArray[np.float32]) -> None:
        self._vectors = vectors

    def __reduce__(self) -> tuple[type[Self], tuple[NDArray[np.float32]]]:
        return type(self), (self._vectors,)

    @cached_property
    def _session(self) -> Any:
        """The vectors in ONNX Runtime; built on the first search, because in a fit many are never searched."""
        step = float(np.abs(self._vectors).max()) / _VECTOR_STEPS or 1.0
        return _multiplier(np.rint(self._vectors.T / step).astype(np.int8))

    def search(self, queries: NDArray[np.float32], count: int) -> NDArray[np.int64]:
        """Return the rows of approximately the nearest vectors, int64 (n, count), nearest first.

        ``queries`` is float32 (n, d), with n at least 1; ``count`` is from 1 to m. Among equally near vectors, the
        first row comes first.
        """
        return _greatest(self._products(queries), count)

    def _products(self, queries: NDArray[np.float32]) -> NDArray[np.int32]:
        """Return the products of queries and vectors, int32 (n, m); only those of one query are comparable."""
        greatest = np.abs(queries).max(axis=1, keepdims=True)
        scaled = np.divide(queries * _QUERY_STEPS, greatest, out=np.zeros_like(queries), where=greatest > 0)
        rounded = (np.rint(scaled) + _ZERO).astype(np.uint8)
        products: NDArray[np.int32] = self._session.run(None, {"queries": rounded})[0]
        return products


def _multiplier(vectors: NDArray[np.int8]) -> Any:
    """Return a session that multiplies queries by vectors, int8 (d, m)."""
    dimensions, count = vectors.shape
    graph = make_graph(
        [make_node("MatMulInteger", ["queries", "vectors", "zero"], ["products"])],
        "products",
        [make_tensor_value_info("queries", TensorProto.UINT8, ["n", dimensions])],
        [make_tensor_value_info("products", TensorProto.INT32, ["n", count])],
        [from_array(vectors, "vectors"), from_array(np.array(_ZERO, np.uint8), "zero")],
    )
    model = make_model(graph, opset_imports=[make_opsetid("", _OPSET)])
    model.ir_version = _IR_VERSION
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])


def _greatest(products: NDArray[np.int32], count: int) -> NDArray[np.int64]:
    """Return the columns of the ``count`` greatest products of each row, int64 (n, count), greatest first."""
    passing = np.flatnonzero(products >= _bound(products, count)[:, None])
    row, column = np.divmod(passing, products.shape[1])
    # Exact in float32 for up to 2,000 dimensions, because no product exceeds 63 * 127 * d.
    order = argsort_within_groups(products.ravel()[passing].astype(np.float32), row)
    return column[order[position_in_group(row) < count]].reshape(len(products), count)


def _bound(products: NDArray[np.int32], count: int) -> NDArray[np.int32]:
    """Return a bound for each row, int32 (n,), that at least ``count`` of its products reach, and few others.

    It is the ``count``-th greatest among the greatest products of the strides. Those are products of the row too,
    so at least ``count`` products reach it. Searching only among them takes a third of the time.
    """
    rows, columns = products.shape
    stride_size = min(_MAX_STRIDE, columns // (_STRIDES_FOR_EACH * count))
    if stride_size > 1:
        stride_count = columns // stride_size
        products = products[:, : stride_count * stride_size].reshape(rows, stride_size, stride_count).max(axis=1)
    bound: NDArray[np.int32] = np.partition(products, products.shape[1] - count, axis=1)[:, -count]
    return bound
