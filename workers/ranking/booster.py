"""XGBoost asked through its C API: its Python calls check and convert for longer than they predict a few rows.

Source: https://xgboost.readthedocs.io/en/stable/c.html, ``XGBoosterPredictFromDense`` and
``XGBoosterPredictFromDMatrix``. Each call copies what it returns: XGBoost overwrites it at the thread's next one.
"""

from __future__ import annotations

import ctypes
import math
from typing import Any, Final

import numpy as np
import xgboost
from numpy.typing import NDArray
from xgboost.core import _LIB

_MARGIN, _PATH_CONTRIBUTIONS = 1, 3
_MATRIX_OPTIONS: Final = b'{"missing": NaN, "nthread": 1}'


def margins(booster: Any, values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the margins, float32 (m,), of feature values float32 (m, f), NaN where unknown.

    Raises :class:`ValueError` where the booster knows another number of features.
    """
    found = _Found()
    rows = _rows(booster, values)
    _check(_LIB.XGBoosterPredictFromDense(booster.handle, _array(rows), _options(_MARGIN), None, *found.places))
    return found.copy((len(rows),))


def path_contributions(booster: Any, values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return each feature's share of the margin, and the bias: float32 (m, f + 1) of float32 (m, f).

    A feature's share is what the mean of the leaves below changes by at its splits, Saabas (2014).

    Raises as :func:`margins` does.
    """
    found = _Found()
    rows = _rows(booster, values)
    matrix = ctypes.c_void_p()
    _check(_LIB.XGDMatrixCreateFromDense(_array(rows), _MATRIX_OPTIONS, ctypes.byref(matrix)))
    try:
        options = _options(_PATH_CONTRIBUTIONS)
        _check(_LIB.XGBoosterPredictFromDMatrix(booster.handle, matrix, options, *found.places))
        return found.copy((len(rows), rows.shape[1] + 1))
    finally:
        _check(_LIB.XGDMatrixFree(matrix))


class _Found:
    """Where XGBoost says what it predicts."""

    def __init__(self) -> None:
        self._shape = ctypes.POINTER(ctypes.c_uint64)()
        self._dimensions = ctypes.c_uint64()
        self._values = ctypes.POINTER(ctypes.c_float)()
        self.places = (
            ctypes.byref(self._shape),
            ctypes.byref(self._dimensions),
            ctypes.byref(self._values),
        )

    def copy(self, shape: tuple[int, ...]) -> NDArray[np.float32]:
        size = math.prod(self._shape[: self._dimensions.value])
        return np.ctypeslib.as_array(self._values, (size,)).reshape(shape).copy()


def _rows(booster: Any, values: NDArray[np.float32]) -> NDArray[np.float32]:
    # XGBoost finds that out too, but may read beyond the row before.
    if (features := booster.num_features()) != values.shape[1]:
        raise ValueError(f"rows of {values.shape[1]} features for a ranker of {features}; make the bundle anew")
    return np.ascontiguousarray(values, np.float32)


def _array(values: NDArray[np.float32]) -> bytes:
    """Return the description of a C-contiguous array that XGBoost reads in place."""
    rows, columns = values.shape
    return b'{"data": [%d, true], "shape": [%d, %d], "typestr": "<f4", "version": 3}' % (
        values.ctypes.data,
        rows,
        columns,
    )


def _options(kind: int) -> bytes:
    return (
        b'{"type": %d, "training": false, "iteration_begin": 0, "iteration_end": 0, "missing": NaN,'
        b' "strict_shape": false, "cache_id": 0}' % kind
    )


def _check(status: int) -> None:
    if status != 0:
        raise xgboost.core.XGBoostError(_LIB.XGBGetLastError().decode())
