"""Classify products without a stream: recall, ranking and decision as the stream does them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Final

from schemas.events.batch import CandidateProduct
from schemas.events.decision import Decision
from schemas.events.position import SourcePosition
from schemas.events.product import Product
from workers.bundle.bundle import Bundle
from workers.decisions import decision_event
from workers.statistics import NoStatistics, Statistics

BATCH_PRODUCTS: Final = 128

Positioned = tuple[Product, SourcePosition]


def classify(
    bundle: Bundle, products: Iterable[Positioned], statistics: Statistics | None = None
) -> Iterator[Decision]:
    """Yield the decision on each product, in order; a decision does not depend on the batch.

    ``statistics`` are what a stream has learned since the bundle was fitted; by default there are none.
    """
    known = statistics or NoStatistics()
    remaining = iter(products)
    while batch := list(islice(remaining, BATCH_PRODUCTS)):
        yield from decide(bundle, batch, known)


def decide(bundle: Bundle, batch: Sequence[Positioned], statistics: Statistics) -> list[Decision]:
    """Return the decisions of one batch."""
    candidates = bundle.recall.candidates([product for product, _ in batch], statistics)
    predictions = bundle.ranking.decide(candidates)
    return [
        decision_event(
            prediction, CandidateProduct.of(product, source.offset), source, bundle.taxonomy, bundle.model_version
        )
        for prediction, (product, source) in zip(predictions, batch, strict=True)
    ]
