"""Check stored arrays before they are used, because native code reads wherever their numbers point."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray


def require(name: str, array: NDArray[Any], dtype: DTypeLike, *shape: int | None) -> None:
    """Raise :class:`ValueError` unless the array has this type and shape (``None``: any size) and is finite."""
    fits = len(shape) == array.ndim and all(
        want in (None, have) for want, have in zip(shape, array.shape, strict=True)
    )
    if array.dtype != dtype or not fits:
        wanted = ", ".join("any" if size is None else str(size) for size in shape)
        raise ValueError(f"{name} is {array.dtype} {array.shape}, not {np.dtype(dtype)} ({wanted})")
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        raise ValueError(f"{name} holds what is no finite number")


def require_below(name: str, numbers: NDArray[np.integer], end: int) -> None:
    """Raise :class:`ValueError` unless all numbers are at least 0 and less than ``end``."""
    if len(numbers) and not (numbers.min() >= 0 and numbers.max() < end):
        raise ValueError(f"{name} holds numbers beyond 0 to {end - 1}")


def require_ascending(name: str, numbers: NDArray[np.integer]) -> None:
    """Raise :class:`ValueError` unless each number is greater than the one before it."""
    if not (numbers[1:] > numbers[:-1]).all():
        raise ValueError(f"{name} does not ascend")


def require_offsets(name: str, offsets: NDArray[np.int64], parts: int, end: int) -> None:
    """Raise :class:`ValueError` unless the offsets, int64 (parts + 1,), split ``end`` items without gaps."""
    require(name, offsets, np.int64, parts + 1)
    if offsets[0] != 0 or offsets[-1] != end or (offsets[1:] < offsets[:-1]).any():
        raise ValueError(f"{name} does not part 0 to {end}")


def require_nodes(name: str, nodes: NDArray[np.int32], count: int) -> None:
    """Raise :class:`ValueError` unless these are ascending int32 node indices of a tree of ``count`` nodes."""
    require(name, nodes, np.int32, None)
    require_below(name, nodes, count)
    require_ascending(name, nodes)
