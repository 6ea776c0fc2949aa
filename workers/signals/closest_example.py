"""Signal: how near the nearest labelled product of a category is, however few there are of it.

Votes favour large categories; one near twin in a small category is evidence too. Source: the nearest-neighbour
rule, Cover and Hart (1967).
"""

from __future__ import annotations

from typing import Self

from workers.signals.base import Batch, Reference, SignalState, TrainingSet
from workers.signals.scores import SparseScores, no_context


class ClosestExample:
    """The cosine of the nearest labelled product of each category among the 48 nearest."""

    name = "closest_example"
    context_names: tuple[str, ...] = ()

    def __init__(self, reference: Reference) -> None:
        """Ask the examples of ``reference``."""
        self._examples = reference.examples

    def score(self, batch: Batch) -> SparseScores:
        """Score by cosine."""
        found = self._examples.nearest(batch)
        rows: list[dict[int, float]] = [
            # Neighbours come nearest first, so in reverse the nearest of a category is written last.
            dict(zip(labels[::-1], cosines[::-1], strict=True)) if known else {}
            for labels, cosines, known in zip(
                found.labels.tolist(), found.cosines.tolist(), found.known.tolist(), strict=True
            )
        ]
        return SparseScores(rows, no_context(len(batch)))

    @classmethod
    def fit(cls, training: TrainingSet) -> Self:
        """Use the examples."""
        return cls(training.reference)

    def state(self) -> SignalState:
        """Return nothing: the bundle's examples hold it all."""
        return SignalState({}, {})

    @classmethod
    def restore(cls, state: SignalState, reference: Reference) -> Self:  # noqa: ARG003
        """Use the examples."""
        return cls(reference)
