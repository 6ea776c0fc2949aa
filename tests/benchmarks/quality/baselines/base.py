"""What a baseline is."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tests.benchmarks.quality.ranked import Ranked, rank
from tests.benchmarks.quality.splits import Problem
from tests.benchmarks.quality.vectors import VectorCache

Rows = Any
"""What a baseline reads of n products: anything that an array of row numbers can take rows of."""

Score = Callable[[Rows], Ranked]


@dataclass(frozen=True, slots=True)
class Baseline:
    """A way to classify.

    Attributes:
        name: what results are stored under.
        prepare: makes the rows of the training and of the test side; sees no label.
        fit: learns from rows and their labels int32 (n,), n at least 1, and returns what ranks categories of rows.
        settings: all that its results depend on beside the products; with a number that rises with its code.
        needs_encoder: whether it can only be run with a sentence encoder.
        learns: whether it needs labelled products.
    """

    name: str
    prepare: Callable[[Problem, VectorCache | None], tuple[Rows, Rows]]
    fit: Callable[[Rows, NDArray[np.int32]], Score]
    settings: Mapping[str, Any] = field(default_factory=dict)
    needs_encoder: bool = False
    learns: bool = True


def constant(label: int, classes: NDArray[np.int32]) -> Score:
    """Return what names one category whatever the product: all that can be learned from one category."""

    def score(rows: Rows) -> Ranked:
        return rank(np.where(classes[None, :] == label, 0.0, -np.inf).repeat(rows.shape[0], axis=0), classes)

    return score
