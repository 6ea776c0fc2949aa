"""What a bundle decided on labelled products, together with the labels: the input of all figures."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from schemas.events.batch import Outcome
from schemas.taxonomy.tree import Taxonomy
from workers.bundle.bundle import Bundle
from workers.classify import BATCH_PRODUCTS
from workers.fit.labels import LabelledProducts, acceptable_labels
from workers.progress import Progress, silent
from workers.ranking.ranking import ALTERNATIVES
from workers.statistics import NoStatistics

RECALL_AT: Final = (1, 3, 10, 30)


@dataclass(frozen=True, slots=True)
class ProductOutcomes:
    """The outcomes for n products; categories are node indices of the tree.

    Attributes:
        taxonomy: the tree.
        labels: int32 (n,), the right category.
        acceptable: for each product all categories that are leniently right, including its label.
        ranked: int32 (n, r), the likeliest categories, likeliest first, -1 if there are fewer.
        confidence: float64 (n,), the calibrated probability that ``ranked[:, 0]`` is right.
        outcome: n outcomes: assigned, backed off, or needs review.
        decided: int32 (n,), the category assigned or backed off to, -1 for review.
        also: for each product the further categories that were reported.
        signals: names of the s signals.
        label_rank: int64 (n, s + 1), the rank of the label among the candidates, from 1, by each signal and, in
            the last column, by the whole model; 0 if it is not among them.
    """

    taxonomy: Taxonomy
    labels: NDArray[np.int32]
    acceptable: tuple[frozenset[int], ...]
    ranked: NDArray[np.int32]
    confidence: NDArray[np.float64]
    outcome: tuple[Outcome, ...]
    decided: NDArray[np.int32]
    also: tuple[tuple[int, ...], ...] = ()
    signals: tuple[str, ...] = ()
    label_rank: NDArray[np.int64] | None = None

    def __len__(self) -> int:
        return len(self.labels)


def collect_outcomes(bundle: Bundle, labelled: LabelledProducts, progress: Progress = silent) -> ProductOutcomes:
    """Decide every product as a stream would that has learned nothing since the bundle was fitted."""
    count = len(labelled.products)
    ranked = np.full((count, ALTERNATIVES), -1, np.int32)
    confidence = np.zeros(count)
    decided = np.full(count, -1, np.int32)
    outcome: list[Outcome] = []
    also: list[tuple[int, ...]] = []
    label_ranks: list[NDArray[np.int64]] = []
    for start in range(0, count, BATCH_PRODUCTS):
        progress("deciding", start, count)
        chunk = slice(start, start + BATCH_PRODUCTS)
        scored = bundle.ranking.score(bundle.recall.candidates(labelled.products[chunk], NoStatistics()))
        for row, prediction in enumerate(bundle.ranking.predictions(scored), start):
            likeliest = [node for node, _ in prediction.alternatives]
            ranked[row, : len(likeliest)] = likeliest
            confidence[row] = prediction.likeliest_confidence
            decided[row] = -1 if prediction.category is None else prediction.category
            outcome.append(prediction.outcome)
            also.append(prediction.also)
        label_ranks.append(scored.label_ranks(labelled.labels[chunk]))
    progress("deciding", count, count)
    return ProductOutcomes(
        taxonomy=bundle.taxonomy,
        labels=labelled.labels,
        acceptable=acceptable_labels(labelled),
        ranked=ranked,
        confidence=confidence,
        outcome=tuple(outcome),
        decided=decided,
        also=tuple(also),
        signals=bundle.recall.signal_names,
        label_rank=np.concatenate(label_ranks) if label_ranks else None,
    )
