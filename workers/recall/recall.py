"""Recall: encode a batch once, let every signal propose candidates, and take their union."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from schemas.events.product import Product
from workers.arrays.pairs import distinct, pairs_of
from workers.encoders.base import Encoder
from workers.recall.batch import Batch
from workers.recall.candidates import Candidates
from workers.recall.cascade import PREFIX, Cascade
from workers.recall.encode import encode_products
from workers.signals.ask import SignalScores, ask, rounded
from workers.signals.base import Reference, Signal
from workers.signals.combined_scores import CombinedScores
from workers.statistics import Statistics

CANDIDATES_PER_SIGNAL: Final = 5


class Recall:
    """Finds the candidate categories of products."""

    def __init__(
        self, encoder: Encoder, signals: Sequence[Signal], reference: Reference, cascade: Cascade | None = None
    ) -> None:
        self.encoder = encoder
        self.reference = reference
        self.signals = tuple(signals)
        self.cascade = cascade

    @property
    def signal_names(self) -> tuple[str, ...]:
        """The names of all signals, as used in :class:`Candidates`."""
        sentences = self.cascade.signals if self.cascade else ()
        return (*(signal.name for signal in self.signals), *(PREFIX + signal.name for signal in sentences))

    def candidates(self, products: Sequence[Product], statistics: Statistics) -> Candidates:
        """Return the union of all signals' candidates; those of a product do not depend on the other products."""
        return self.of(encode_products(self.encoder, products, statistics))

    def of(self, batch: Batch) -> Candidates:
        """Return the candidates of products that the first encoder has already encoded."""
        scores = ask(self.signals, batch)
        if self.cascade is not None:
            scores += self.cascade.ask(batch, scores)
        return union(scores, len(batch))


def union(scores: Sequence[SignalScores], products: int) -> Candidates:
    """Return all candidates that any signal proposes for the products, scored by every signal."""
    combined = CombinedScores([each.scores for each in scores])
    best, by = combined.top(CANDIDATES_PER_SIGNAL)
    keys = distinct(best)
    proposed = np.zeros((len(keys), len(scores)), np.bool_)
    proposed[np.searchsorted(keys, best), by] = True
    owners, categories = pairs_of(keys)
    return Candidates(
        signals=tuple(each.signal for each in scores),
        context_names=tuple(name for each in scores for name in each.context_names),
        offsets=np.searchsorted(owners, np.arange(products + 1)).astype(np.int64),
        categories=categories,
        scores=rounded(combined.at(keys)),
        proposed=proposed,
        context=np.concatenate([each.scores.context for each in scores], axis=1).astype(np.float32, copy=False),
    )
