"""The union of the candidates that the signals propose for a batch of products."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Candidates:
    """The candidates of n products, m in total; product i has the rows ``offsets[i]:offsets[i + 1]``.

    Attributes:
        signals: names of the s signals, in the order of the columns.
        context_names: names of the c context columns.
        offsets: int64 (n + 1,).
        categories: int32 (m,), node indices of the taxonomy, ascending within a product.
        scores: float32 (m, s), NaN if the signal has no score for the candidate.
        proposed: bool (m, s), whether the signal proposed the candidate (provenance).
        context: float32 (n, c), what the signals know about the product as a whole, such as the focus of its
            brand; NaN if they were not asked.
    """

    signals: tuple[str, ...]
    context_names: tuple[str, ...]
    offsets: NDArray[np.int64]
    categories: NDArray[np.int32]
    scores: NDArray[np.float32]
    proposed: NDArray[np.bool_]
    context: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @classmethod
    def none(cls) -> Candidates:
        """Return candidates for zero products."""
        return cls(
            signals=(),
            context_names=(),
            offsets=np.zeros(1, np.int64),
            categories=np.empty(0, np.int32),
            scores=np.empty((0, 0), np.float32),
            proposed=np.empty((0, 0), np.bool_),
            context=np.empty((0, 0), np.float32),
        )

    def part(self, start: int, stop: int) -> Candidates:
        """Return the candidates of the products from ``start`` to ``stop``, excluding ``stop``."""
        rows = slice(int(self.offsets[start]), int(self.offsets[stop]))
        return replace(
            self,
            offsets=self.offsets[start : stop + 1] - rows.start,
            categories=self.categories[rows],
            scores=self.scores[rows],
            proposed=self.proposed[rows],
            context=self.context[start:stop],
        )

    def only_proposed(self) -> Candidates:
        """Return only the candidates that a signal still proposes; a product may be left without any."""
        rows = self.proposed.any(axis=1)
        counts = np.bincount(self.product_of_row[rows], minlength=len(self))
        return replace(
            self,
            offsets=np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
            categories=self.categories[rows],
            scores=self.scores[rows],
            proposed=self.proposed[rows],
        )

    @classmethod
    def concatenate(cls, parts: Sequence[Candidates]) -> Candidates:
        """Concatenate one or more parts; all parts that have products must have the same signals."""
        parts = [part for part in parts if len(part)] or parts[:1]
        starts = np.cumsum([0, *(len(part.categories) for part in parts)])
        ends = [part.offsets[1:] + start for part, start in zip(parts, starts[:-1], strict=True)]
        return replace(
            parts[0],
            offsets=np.concatenate([np.zeros(1, np.int64), *ends]),
            categories=np.concatenate([part.categories for part in parts]),
            scores=np.concatenate([part.scores for part in parts]),
            proposed=np.concatenate([part.proposed for part in parts]),
            context=np.concatenate([part.context for part in parts]),
        )

    @property
    def product_of_row(self) -> NDArray[np.int64]:
        """The product index of each candidate row, int64 (m,)."""
        return np.repeat(np.arange(len(self)), self.offsets[1:] - self.offsets[:-1])
