"""A sentence encoder behind the first signals: asked only about the products that these are unsure of.

A dear model need not read what a cheap one is sure of. Source: cascades (Viola and Jones, 2001); FrugalGPT (Chen,
Zaharia and Zou, 2023), where the cheap model's own doubt decides as well.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from workers.encoders.base import Encoder
from workers.recall.batch import Batch
from workers.recall.candidates import Candidates
from workers.recall.encode import encode_products
from workers.signals.ask import SignalScores, ask, rounded
from workers.signals.base import Reference, Signal
from workers.signals.linear_text import LinearText
from workers.signals.scores import PartialScores

PREFIX: Final = "sentence_"
"""What the names of the cascade's signals begin with."""


@dataclass(frozen=True, slots=True)
class Cascade:
    """Signals of a dearer encoder, for products whose :func:`lead` is below ``below``."""

    encoder: Encoder
    signals: tuple[Signal, ...]
    reference: Reference
    below: float

    def ask(self, batch: Batch, heard: Sequence[SignalScores]) -> list[SignalScores]:
        """Return what they say of those products of a batch that the first signals, ``heard`` so far, doubt."""
        unsure = np.flatnonzero(lead(heard, len(batch)) < self.below)
        products = [batch.products[row] for row in unsure.tolist()]
        part = encode_products(self.encoder, products, batch.statistics)
        said = sentence_names(ask(self.signals, part))
        return [replace(each, scores=PartialScores(each.scores, unsure, len(batch))) for each in said]


def sentence_names(said: Sequence[SignalScores]) -> list[SignalScores]:
    """Return what the cascade's signals say, under names that tell them from the first signals."""
    return [
        replace(
            each, signal=PREFIX + each.signal, context_names=tuple(PREFIX + name for name in each.context_names)
        )
        for each in said
    ]


def lead(said: Sequence[SignalScores], products: int) -> NDArray[np.float32]:
    """Return how far the linear classifier of text puts its first category before its second: float32 (n,).

    0 where it has no two to choose from, and so nothing to be sure of.
    """
    scores = next(each.scores for each in said if each.signal == LinearText.name)
    owner, categories = scores.top(2)
    values = rounded(scores.at(owner, categories))
    best = np.full(products, -np.inf, np.float32)
    second = np.full(products, np.inf, np.float32)
    np.maximum.at(best, owner, values)
    np.minimum.at(second, owner, values)
    return np.where(np.isfinite(best), best - second, np.float32(0)).astype(np.float32)


def unasked(candidates: Candidates, sure: NDArray[np.bool_]) -> Candidates:
    """Return the candidates as if the cascade had not been asked about the ``sure`` products, bool (n,)."""
    columns = np.array([name.startswith(PREFIX) for name in candidates.signals])
    hidden = sure[candidates.product_of_row][:, None] & columns
    of_context = np.array([name.startswith(PREFIX) for name in candidates.context_names], np.bool_)
    left = replace(
        candidates,
        scores=np.where(hidden, np.float32(np.nan), candidates.scores),
        named=candidates.named & ~hidden,
        context=np.where(sure[:, None] & of_context, np.float32(np.nan), candidates.context),
    )
    return left.proposed()
