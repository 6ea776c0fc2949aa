"""Candidates of products that the signals were not fitted on: what the ranking half learns from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from workers.fit.labels import LabelledProducts, acceptable_labels
from workers.recall.candidates import Candidates


@dataclass(frozen=True, slots=True)
class OutOfFold:
    """Candidates of n products, with ``labels`` int32 (n,) and ``folds`` int64 (n,), in the same order.

    ``acceptable`` holds, for each product, all categories in which the catalogue lists it. ``groups``, int64 (n,),
    are groups of products whose titles are near-duplicates.
    """

    candidates: Candidates
    labels: NDArray[np.int32]
    folds: NDArray[np.int64]
    acceptable: tuple[frozenset[int], ...]
    groups: NDArray[np.int64]

    @classmethod
    def of(
        cls,
        labelled: LabelledProducts,
        candidates: Candidates,
        order: NDArray[np.intp],
        *,
        folds: NDArray[np.int64],
        groups: NDArray[np.int64],
    ) -> Self:
        """Combine candidates with what is known about their products.

        ``order`` (n,) are the rows of ``labelled`` to which the products of ``candidates`` belong; ``folds`` and
        ``groups`` are in the order of ``labelled``.
        """
        acceptable = acceptable_labels(labelled)
        return cls(
            candidates,
            labelled.labels[order],
            folds[order],
            tuple(acceptable[row] for row in order),
            groups[order],
        )

    @property
    def relevant(self) -> NDArray[np.bool_]:
        """Whether each candidate is its product's label: bool (m,)."""
        return self.candidates.categories == self.labels[self.candidates.product_of_row]
