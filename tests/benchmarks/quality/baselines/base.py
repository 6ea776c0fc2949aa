"""The interface of baselines."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from schemas.events.product import Product
from tests.benchmarks.quality.ranked import Ranked, put_together, rank
from tests.benchmarks.quality.splits import Problem
from tests.benchmarks.quality.vectors import VectorCache

Rows = Any
"""A baseline's input for n products: anything that can be indexed by an array of row numbers."""

Score = Callable[[Rows], Ranked]


@dataclass(frozen=True, slots=True)
class Baseline:
    """A method of classification to compare with.

    Attributes:
        name: the name under which results are stored.
        prepare: makes the rows of the training and the test side, without using labels.
        fit: learns from rows and their labels, int32 (n,) with n >= 1; returns a function that ranks categories.
        settings: everything besides the products that its results depend on, including a version of its code.
        needs_encoder: whether it needs a sentence encoder.
        learns: whether it needs labelled products.
    """

    name: str
    prepare: Callable[[Problem, VectorCache | None], tuple[Rows, Rows]]
    fit: Callable[[Rows, NDArray[np.int32]], Score]
    settings: Mapping[str, Any] = field(default_factory=dict)
    needs_encoder: bool = False
    learns: bool = True


def by_product(problem: Problem, of: Callable[[Product], Any]) -> tuple[Rows, Rows]:
    """Return what ``of`` says of each product of both sides, which need not be a number."""
    return _objects(map(of, problem.training.products)), _objects(map(of, problem.test.products))


def _objects(values: Iterable[Any]) -> Rows:
    found = list(values)
    rows = np.empty(len(found), object)
    rows[:] = found
    return rows


def in_chunks(
    scores: Callable[[Rows], NDArray[np.floating]], rows: Rows, classes: NDArray[np.int32], size: int
) -> Ranked:
    """Rank ``classes`` (c,) by their ``scores`` for ``size`` rows at once, which are (rows, c)."""
    count = rows.shape[0]
    parts = [rank(scores(rows[start : start + size]), classes) for start in range(0, count, size)]
    return put_together(parts, np.arange(count))


def constant(label: int, classes: NDArray[np.int32]) -> Score:
    """Return a score for training data with a single category, which always ranks that category first."""

    def score(rows: Rows) -> Ranked:
        return rank(np.where(classes[None, :] == label, 0.0, -np.inf).repeat(rows.shape[0], axis=0), classes)

    return score
