"""Pack candidates into bytes, to send them from recall to ranking."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from schemas.errors import InvalidEvent
from schemas.events.batch import PackedCandidates
from schemas.events.dead_letter import Reason
from workers.recall.candidates import Candidates

_OFFSETS: Final = np.dtype("<i8")
_CATEGORIES: Final = np.dtype("<i4")
_FLOATS: Final = np.dtype("<f4")
_FLAGS: Final = np.dtype("u1")


def pack(candidates: Candidates) -> PackedCandidates:
    """Return the arrays as little-endian bytes, in the layout of :class:`PackedCandidates`."""
    return PackedCandidates(
        signals=candidates.signals,
        context_names=candidates.context_names,
        offsets=candidates.offsets.astype(_OFFSETS, copy=False).tobytes(),
        categories=candidates.categories.astype(_CATEGORIES, copy=False).tobytes(),
        scores=candidates.scores.astype(_FLOATS, copy=False).tobytes(),
        named=candidates.proposed.astype(_FLAGS, copy=False).tobytes(),
        context=candidates.context.astype(_FLOATS, copy=False).tobytes(),
    )


def unpack(packed: PackedCandidates) -> Candidates:
    """Return the arrays; on a little-endian machine, they are read-only views of the bytes.

    Raises :class:`InvalidEvent` if an array's size does not fit the others, if the offsets do not rise from 0 to
    the number of candidates, or if a flag is neither 0 nor 1. It does not check that the categories are in the
    tree; the caller does, with :func:`check_categories`.
    """
    offsets = _array("offsets", packed.offsets, _OFFSETS)
    categories = _array("categories", packed.categories, _CATEGORIES)
    products, rows = len(offsets) - 1, len(categories)
    if products < 0 or offsets[0] != 0 or offsets[-1] != rows or bool(np.any(np.diff(offsets) < 0)):
        raise _invalid(f"offsets must rise from 0 to {rows}, the number of candidates")
    proposed = _matrix("named", packed.named, _FLAGS, rows, len(packed.signals))
    if proposed.size and proposed.max() > 1:
        raise _invalid(f"named must be 0 or 1, not {proposed.max()}")
    return Candidates(
        signals=packed.signals,
        context_names=packed.context_names,
        offsets=offsets.astype(np.int64, copy=False),
        categories=categories.astype(np.int32, copy=False),
        scores=_matrix("scores", packed.scores, _FLOATS, rows, len(packed.signals)).astype(np.float32, copy=False),
        proposed=proposed.view(np.bool_),
        context=_matrix("context", packed.context, _FLOATS, products, len(packed.context_names)).astype(
            np.float32, copy=False
        ),
    )


def check_categories(candidates: Candidates, nodes: int) -> None:
    """Raise :class:`InvalidEvent` if a candidate is not a node of a tree of ``nodes`` nodes."""
    found = candidates.categories
    if found.size and (found.min() < 0 or found.max() >= nodes):
        raise _invalid(f"categories must be from 0 to {nodes - 1}; there are {found.min()} to {found.max()}")


def _array(name: str, data: bytes, kind: np.dtype[Any]) -> NDArray[Any]:
    if len(data) % kind.itemsize:
        raise _invalid(f"{name} has {len(data)} bytes, no multiple of {kind.itemsize}")
    return np.frombuffer(data, kind)


def _matrix(name: str, data: bytes, kind: np.dtype[Any], rows: int, columns: int) -> NDArray[Any]:
    if len(data) != rows * columns * kind.itemsize:
        raise _invalid(
            f"{name} has {len(data)} bytes; {rows} x {columns} values have {rows * columns * kind.itemsize}"
        )
    return np.frombuffer(data, kind).reshape(rows, columns)


def _invalid(problem: str) -> InvalidEvent:
    return InvalidEvent(Reason.OUT_OF_BOUNDS, f"packed candidates: {problem}")
