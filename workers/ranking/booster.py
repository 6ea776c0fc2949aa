"""XGBoost asked through its C API: its Python calls check and convert for longer than they predict a few rows.

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
    """Return the margins, float32 (m,), of feature values float32 (m, f), NaN where unknown.

    Raises :class:`ValueError` where the booster knows another number of features.
    """
    # XGBoost finds that out too, but may read beyond the row before.
    if (features := booster.num_features()) != values.shape[1]:
        raise ValueError(f"rows of {values.shape[1]} features for a ranker of {features}; make the bundle anew")
    rows = np.ascontiguousarray(values, np.float32)
    shape, dimensions = ctypes.POINTER(ctypes.c_uint64)(), ctypes.c_uint64()
    found = ctypes.POINTER(ctypes.c_float)()
    places = ctypes.byref(shape), ctypes.byref(dimensions), ctypes.byref(found)
    _check(_LIB.XGBoosterPredictFromDense(booster.handle, _array(rows), _MARGIN_OPTIONS, None, *places))
    # A copy: XGBoost overwrites it at the thread's next call. NumPy's ctypeslib would make a type of every length,
    # and ctypes keeps them all.
    return np.frombuffer(ctypes.string_at(found, len(rows) * rows.itemsize), np.float32)


def _array(values: NDArray[np.float32]) -> bytes:
    """Return the description of a C-contiguous array that XGBoost reads in place."""
    rows, columns = values.shape
    return b'{"data": [%d, true], "shape": [%d, %d], "typestr": "<f4", "version": 3}' % (
        values.ctypes.data,
        rows,
        columns,
    )


def _check(status: int) -> None:
    if status != 0:
        raise xgboost.core.XGBoostError(_LIB.XGBGetLastError().decode())
