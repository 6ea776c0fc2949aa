"""Signal: how near the nearest labelled product of a category is, however few there are of it.

Votes favour large categories; one near twin in a small category is evidence too. Source: the nearest-neighbour
rule, Cover and Hart (1967).
"""

from __future__ import annotations

from workers.signals.base import Batch, ReferenceSignal
from workers.signals.scores import SparseScores, no_context


class ClosestExample(ReferenceSignal):
    """The cosine of the nearest labelled product of each category among the 48 nearest."""

    name = "closest_example"
    context_names: tuple[str, ...] = ()

    def score(self, batch: Batch) -> SparseScores:
        """Score by cosine."""
        found = self.reference.examples.nearest(batch)
        rows: list[dict[int, float]] = [
            # Neighbours come nearest first, so in reverse the nearest of a category is written last.
            dict(zip(labels[::-1], cosines[::-1], strict=True)) if known else {}
            for labels, cosines, known in zip(
                found.labels.tolist(), found.cosines.tolist(), found.known.tolist(), strict=True
            )
        ]
        return SparseScores(rows, no_context(len(batch)))
