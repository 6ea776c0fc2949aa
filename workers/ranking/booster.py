"""Call XGBoost through its C API: for a few rows, its Python API spends more time on checks than on prediction.

Source: https://xgboost.readthedocs.io/en/stable/c.html, ``XGBoosterPredictFromDense``.
"""

from __future__ import annotations

import ctypes
from typing import Any, Final

import numpy as np
import xgboost
from numpy.typing import NDArray
from xgboost.core import _LIB

_MARGIN_OPTIONS: Final = (
    b'{"type": 1, "training": false, "iteration_begin": 0, "iteration_end": 0, "missing": NaN,'
    b' "strict_shape": false, "cache_id": 0}'
)


def margins(booster: Any, values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the margins, float32 (m,), for feature values, float32 (m, f), NaN if unknown.

    Raises :class:`ValueError` if the booster was fitted with another number of features.
    """
    # XGBoost detects this too, but may read beyond the end of a row first.
    if (features := booster.num_features()) != values.shape[1]:
        raise ValueError(f"rows of {values.shape[1]} features for a ranker of {features}; make the bundle anew")
    rows = np.ascontiguousarray(values, np.float32)
    shape, dimensions = ctypes.POINTER(ctypes.c_uint64)(), ctypes.c_uint64()
    found = ctypes.POINTER(ctypes.c_float)()
    outputs = ctypes.byref(shape), ctypes.byref(dimensions), ctypes.byref(found)
    _check(_LIB.XGBoosterPredictFromDense(booster.handle, _array(rows), _MARGIN_OPTIONS, None, *outputs))
    # Copied, because XGBoost overwrites the result at this thread's next call. NumPy's ctypeslib would create a
    # type for every length, and ctypes keeps them all.
    return np.frombuffer(ctypes.string_at(found, len(rows) * rows.itemsize), np.float32)


def _array(values: NDArray[np.float32]) -> bytes:
    """Return the array interface (JSON) of a C-contiguous array, which XGBoost reads in place."""
    rows, columns = values.shape
    return b'{"data": [%d, true], "shape": [%d, %d], "typestr": "<f4", "version": 3}' % (
        values.ctypes.data,
        rows,
        columns,
    )


def _check(status: int) -> None:
    if status != 0:
        raise xgboost.core.XGBoostError(_LIB.XGBGetLastError().decode())
