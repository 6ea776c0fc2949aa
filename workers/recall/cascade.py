"""The cascade: a sentence encoder that is used only for products that the first signals are unsure of.

An expensive model need not read what a cheap one is sure of. Source: cascades (Viola and Jones, 2001); FrugalGPT
(Chen, Zaharia and Zou, 2023), where the cheap model's own uncertainty decides as well.
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
"""Prefix of the names of the cascade's signals."""


@dataclass(frozen=True, slots=True)
class Cascade:
    """Signals of a more expensive encoder, used for products whose :func:`lead` is less than ``sure_lead``."""

    encoder: Encoder
    signals: tuple[Signal, ...]
    reference: Reference
    sure_lead: float

    def ask(self, batch: Batch, first_scores: Sequence[SignalScores]) -> list[SignalScores]:
        """Return the cascade's scores for the products that the first signals are unsure of.

        ``first_scores`` are the scores of the first signals.
        """
        unsure = np.flatnonzero(lead(first_scores, len(batch)) < self.sure_lead)
        products = [batch.products[row] for row in unsure.tolist()]
        part = encode_products(self.encoder, products, batch.statistics)
        scores = sentence_names(ask(self.signals, part))
        return [replace(each, scores=PartialScores(each.scores, unsure, len(batch))) for each in scores]


def sentence_names(scores: Sequence[SignalScores]) -> list[SignalScores]:
    """Return the cascade's scores with prefixed names, to distinguish them from those of the first signals."""
    return [
        replace(
            each, signal=PREFIX + each.signal, context_names=tuple(PREFIX + name for name in each.context_names)
        )
        for each in scores
    ]


def lead(scores: Sequence[SignalScores], products: int) -> NDArray[np.float32]:
    """Return how far the linear text classifier's best score is ahead of its second best: float32 (n,).

    The lead is 0 if the classifier knows fewer than two categories, because then it cannot be sure of anything.
    """
    linear = next(each.scores for each in scores if each.signal == LinearText.name)
    owner, categories = linear.top(2)
    values = rounded(linear.at(owner, categories))
    best = np.full(products, -np.inf, np.float32)
    second = np.full(products, np.inf, np.float32)
    np.maximum.at(best, owner, values)
    np.minimum.at(second, owner, values)
    return np.where(np.isfinite(best), best - second, np.float32(0)).astype(np.float32)


def unasked(candidates: Candidates, sure: NDArray[np.bool_]) -> Candidates:
    """Return the candidates as if the cascade had not been used for the ``sure`` products, bool (n,)."""
    columns = np.array([name.startswith(PREFIX) for name in candidates.signals])
    hidden = sure[candidates.product_of_row][:, None] & columns
    of_context = np.array([name.startswith(PREFIX) for name in candidates.context_names], np.bool_)
    left = replace(
        candidates,
        scores=np.where(hidden, np.float32(np.nan), candidates.scores),
        proposed=candidates.proposed & ~hidden,
        context=np.where(sure[:, None] & of_context, np.float32(np.nan), candidates.context),
    )
    return left.only_proposed()
