"""Outcomes of two simulated models on the same products, with known differences."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from schemas.events.batch import Outcome
from schemas.taxonomy.tree import Taxonomy
from workers.evaluation.outcomes import ProductOutcomes

TREE = Taxonomy.from_paths("simulated", "1", [(f"top {i}", f"leaf {i} {j}") for i in range(5) for j in range(6)])
LEAVES = np.flatnonzero(TREE.is_leaf).astype(np.int32)


@dataclass(frozen=True)
class Simulated:
    """A pair of models: ``accuracy`` of the current one, and ``fall``, by which the candidate's is lower.

    The fall is in one category or in all. Both decide a share ``agree`` of the products alike.
    """

    products: int = 800
    accuracy: float = 0.85
    agree: float = 0.85
    fall: float = 0.0
    category: int | None = None


def simulate_pair(rng: np.random.Generator, of: Simulated) -> tuple[ProductOutcomes, ProductOutcomes]:
    """Return the outcomes of the current model and of the candidate."""
    labels = rng.choice(LEAVES, of.products)
    hard = rng.beta(2, 2 / of.accuracy - 2, of.products)
    current = _draw(rng, hard)
    candidate = np.where(rng.random(of.products) < of.agree, current, _draw(rng, hard))
    lost = rng.random(of.products) < of.fall / of.accuracy
    if of.category is not None:
        lost &= labels == LEAVES[of.category]
    candidate = np.where(lost & (candidate == 0), 1 + rng.integers(3, size=of.products), candidate)
    return tuple(_outcomes(rng, labels, rank) for rank in (current, candidate))  # type: ignore[return-value]


def _draw(rng: np.random.Generator, hard: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return the rank, from 0, that a model gives to each product's right category."""
    return np.where(rng.random(len(hard)) < hard, 0, 1 + rng.integers(3, size=len(hard)))


def _outcomes(rng: np.random.Generator, labels: NDArray[np.int32], rank: NDArray[np.int64]) -> ProductOutcomes:
    others = (np.searchsorted(LEAVES, labels)[:, None] + np.arange(1, 5)) % len(LEAVES)
    ranked = LEAVES[others].astype(np.int32)
    ranked[np.arange(len(labels)), rank] = labels
    right = rank == 0
    confidence = np.clip(np.where(right, 0.9, 0.7) + rng.normal(0, 0.08, len(labels)), 0.01, 0.99)
    assigned = confidence > 0.86
    backed_off = ~assigned & (confidence > 0.8)
    parents = np.where(right, TREE.parents[labels], TREE.parents[ranked[:, 0]])
    return ProductOutcomes(
        taxonomy=TREE,
        labels=labels.astype(np.int32),
        acceptable=tuple(frozenset({label}) for label in labels.tolist()),
        ranked=ranked,
        confidence=confidence,
        outcome=tuple(
            Outcome.ASSIGNED if sure else Outcome.BACKED_OFF if less else Outcome.NEEDS_REVIEW
            for sure, less in zip(assigned, backed_off, strict=True)
        ),
        decided=np.where(assigned, ranked[:, 0], np.where(backed_off, parents, -1)).astype(np.int32),
        label_rank=(rank + 1)[:, None],
    )
