"""Recall: encode a batch once, let every signal propose, take the union."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from schemas.events.product import Product
from workers.candidates import Candidates
from workers.encoders.base import Encoder
from workers.product_text import branded_text, description_text, embedding_text
from workers.signals.base import Batch, Reference, Signal
from workers.signals.scores import pair_keys, pairs_of
from workers.statistics import Statistics

CANDIDATES_PER_SIGNAL: Final = 10
# Beyond these digits scores differ by machine and library; a decision must not hang on them.
_DIGITS: Final = 4


class Recall:
    """Finds the candidate categories of products."""

    def __init__(self, encoder: Encoder, signals: Sequence[Signal], reference: Reference) -> None:
        self.encoder = encoder
        self.reference = reference
        self.signals = tuple(signals)

    def candidates(self, products: Sequence[Product], statistics: Statistics) -> Candidates:
        """Return the union of all signals' candidates; a product's candidates depend on it alone."""
        return union(self.signals, encode_products(self.encoder, products, statistics))


def encode_products(encoder: Encoder, products: Sequence[Product], statistics: Statistics) -> Batch:
    """Encode the texts of products: several of each where the encoder is cheap enough."""
    if not encoder.is_cheap:
        vectors = encoder.encode([embedding_text(product) for product in products])
        return Batch(products, vectors, vectors, vectors, statistics)
    texts = [read(product) for read in (embedding_text, branded_text, description_text) for product in products]
    vectors, branded, described = np.split(encoder.encode(texts), 3)
    described = np.where(described.any(axis=1, keepdims=True), described, vectors)
    return Batch(products, vectors, branded, described, statistics)


def union(signals: Sequence[Signal], batch: Batch) -> Candidates:
    """Let every signal propose its best, and every signal score what any of them proposed."""
    all_scores = [signal.score(batch) for signal in signals]
    proposals = [pair_keys(*scores.top(CANDIDATES_PER_SIGNAL)) for scores in all_scores]
    keys = np.unique(np.concatenate(proposals)) if proposals else np.empty(0, np.int64)
    products, categories = pairs_of(keys)
    columns = [np.round(scores.at(products, categories), _DIGITS) for scores in all_scores]
    return Candidates(
        signals=tuple(signal.name for signal in signals),
        context_names=tuple(name for signal in signals for name in signal.context_names),
        offsets=np.searchsorted(products, np.arange(len(batch) + 1)).astype(np.int64),
        categories=categories,
        scores=np.stack(columns, axis=1).astype(np.float32),
        named=_named(keys, proposals),
        context=np.concatenate([scores.context for scores in all_scores], axis=1).astype(np.float32),
    )


def _named(keys: NDArray[np.int64], proposals: Sequence[NDArray[np.int64]]) -> NDArray[np.bool_]:
    """Return which signals proposed which of the keys, bool (m, signals)."""
    named = np.zeros((len(keys), len(proposals)), np.bool_)
    for column, proposed in enumerate(proposals):
        named[np.searchsorted(keys, proposed), column] = True
    return named
