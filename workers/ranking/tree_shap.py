"""Exact contributions of features to a margin (TreeSHAP): looked up, where XGBoost computes for ten times as long.

What a leaf adds to the contributions hangs only on which of the splits above it a row passes on the leaf's side.
The leaves of one small subtree share most of these splits, so a table a subtree, with a line for each way through
them, holds it all, and a row's contributions are the sum of one line of each. Sources: the values are the
path-dependent ones of Lundberg et al. (2020), "From local explanations to global understanding with explainable AI
for trees"; to prepare them by leaf is from Yang (2021), "Fast TreeSHAP: Accelerating SHAP value computation for
trees".
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final, Self

import numpy as np
import orjson
from numpy.typing import NDArray
from safetensors.numpy import load_file, save_file

from workers.arrays.sparse_rows import SparseRows
from workers.ranking.subtrees import Subtrees

_ROWS_AT_ONCE: Final = 64
# Of the fields, in their order.
_KINDS: Final = [np.int32, np.float32, np.bool_, np.int32, np.int32, np.float32, np.float32]


@dataclass(frozen=True, slots=True)
class TreeShap:
    """The tables of g subtrees, and the s splits of all trees.

    A row goes left at a split where its value of ``features``, int32 (s,), is below ``thresholds``, float32 (s,),
    or where it is NaN and ``missing_left``, bool (s,). Where it goes left at the splits ``met``, int32 (b, g), is
    its line in each subtree's table, the first the lowest bit; ``table``, float32 (g * 2^b, c), is what a line
    adds to the features ``columns``, int32 (g, c). ``bias``, float32 (1,), is the mean margin.
    """

    features: NDArray[np.int32]
    thresholds: NDArray[np.float32]
    missing_left: NDArray[np.bool_]
    met: NDArray[np.int32]
    columns: NDArray[np.int32]
    table: NDArray[np.float32]
    bias: NDArray[np.float32]

    @classmethod
    def of(cls, booster: Any) -> Self:
        """Prepare the tables of an XGBoost booster of numeric features and a base score of 0."""
        model = orjson.loads(booster.save_raw("json"))
        subtrees = Subtrees(model["learner"]["gradient_booster"]["model"]["trees"])
        table = subtrees.table()
        return cls(
            features=np.array([split.feature for split in subtrees.splits], np.int32),
            thresholds=np.array([split.threshold for split in subtrees.splits], np.float32),
            missing_left=np.array([split.missing_left for split in subtrees.splits], np.bool_),
            # Where fewer splits are met, the further bits change nothing.
            met=np.ascontiguousarray(_padded(subtrees.met, 0).T),
            columns=_padded(subtrees.columns, 1),
            table=table.transpose(0, 2, 1).astype(np.float32).reshape(-1, table.shape[1]),
            bias=np.array([subtrees.bias], np.float32),
        )

    def contributions(self, values: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return each feature's share of the margin, and the bias: float32 (m, f + 1) of float32 (m, f).

        A row of it depends on its own row alone. Raises :class:`ValueError` for rows of too few features.
        """
        if self.columns.max(initial=0) >= values.shape[1]:
            raise ValueError(f"rows of {values.shape[1]} features for a ranker of more; make the bundle anew")
        found = np.zeros((len(values), values.shape[1] + 1), np.float32)
        for first in range(0, len(values), _ROWS_AT_ONCE):
            self._add(values[first : first + _ROWS_AT_ONCE], found[first : first + _ROWS_AT_ONCE])
        found[:, -1] = self.bias
        return found

    def _add(self, values: NDArray[np.float32], found: NDArray[np.float32]) -> None:
        # By split and subtree, then by row: whole runs of memory are read.
        asked = np.ascontiguousarray(values.T)[self.features]
        left = (asked < self.thresholds[:, None]) | (np.isnan(asked) & self.missing_left[:, None])
        bits, subtrees = self.met.shape
        lines = np.zeros((subtrees, len(values)), np.min_scalar_type((1 << bits) - 1))
        for bit, splits in enumerate(self.met):
            lines |= left[splits].astype(lines.dtype) << lines.dtype.type(bit)
        places = (np.arange(subtrees) << bits)[:, None] + lines
        added = self.table.take(places.T.ravel(), axis=0)
        columns = np.tile(self.columns.ravel(), len(values))
        ends = np.arange(len(values) + 1, dtype=np.int32) * np.int32(self.columns.size)
        SparseRows(added.ravel(), columns, ends).add_to(found)

    def save(self, file: Path) -> None:
        """Write the tables as safetensors."""
        save_file(asdict(self), file)

    @classmethod
    def load(cls, file: Path, features: int) -> Self:
        """Read what :meth:`save` wrote for so many features; raises :class:`ValueError` for other tables."""
        tables = cls(**load_file(file))
        if not tables._fit_together(features):
            raise ValueError(f"{file.name}: not the tables of a ranker of {features} features")
        return tables

    def _fit_together(self, features: int) -> bool:
        splits = self.features.shape
        bits, subtrees = self.met.shape
        return (
            [each.dtype for each in asdict(self).values()] == _KINDS
            and splits == self.thresholds.shape == self.missing_left.shape == (self.features.size,)
            and self.table.shape == (subtrees << bits, self.columns.shape[1])
            and self.columns.shape[0] == subtrees
            and self.bias.shape == (1,)
            # What adds rows up writes wherever it is told to, and counts in 32 bits.
            and self.columns.size * _ROWS_AT_ONCE < 1 << 31
            and _below(self.columns, features)
            and _below(self.features, features)
            and _below(self.met, max(1, self.features.size))
            and bool(np.isfinite(self.table).all() and np.isfinite(self.bias).all())
        )


def _below(numbers: NDArray[np.int32], end: int) -> bool:
    return bool(((numbers >= 0) & (numbers < end)).all())


def _padded(lists: list[list[int]], least: int) -> NDArray[np.int32]:
    """Return lists as rows of one length, at least so many, filled up with zeros."""
    padded = np.zeros((len(lists), max([least, *map(len, lists)])), np.int32)
    for row, each in zip(padded, lists, strict=True):
        row[: len(each)] = each
    return padded
