"""The ranker's features: one matrix for all candidates of a batch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from schemas.taxonomy.tree import Taxonomy
from workers.candidates import Candidates
from workers.ranking import segments

AGREEMENT: Final = "agreement"
CATEGORY: Final = "category"

_Column = tuple[str, str, int, NDArray[np.float32]]
"""Name, source, monotone, values."""


@dataclass(frozen=True, slots=True)
class FeatureMatrix:
    """Features of m candidates.

    Attributes:
        values: float32 (m, f), NaN where unknown.
        names: f names.
        sources: for each feature the signal it comes from, or ``agreement`` or ``category``.
        monotone: for each feature 1 where a greater value may only raise the margin, else 0.
        ranks: int64 (m, signals), the place each signal gave the candidate, 0 where it gave none.
    """

    values: NDArray[np.float32]
    names: tuple[str, ...]
    sources: tuple[str, ...]
    monotone: tuple[int, ...]
    ranks: NDArray[np.int64]


class FeatureBuilder:
    """Builds features; ``priors`` float32 (nodes,) is each category's share of the labelled products."""

    def __init__(self, taxonomy: Taxonomy, priors: NDArray[np.float32]) -> None:
        self.priors = priors
        self._log_priors = np.log(priors + 1e-6).astype(np.float32)
        self._depths = taxonomy.depths.astype(np.float32)
        self._leaves = taxonomy.is_leaf.astype(np.float32)
        self._parents = taxonomy.parents
        self._roots = taxonomy.ancestor_matrix[:, 0]

    def build(self, candidates: Candidates) -> FeatureMatrix:
        """Return the features of every candidate; a row depends on its own product's candidates alone."""
        owner = candidates.product_of_row
        columns: list[_Column] = []
        ranks = np.zeros(candidates.scores.shape, np.int64)
        for place, signal in enumerate(candidates.signals):
            scores = candidates.scores[:, place]
            ranks[:, place] = segments.ranks(scores, owner)
            columns += _signal_columns(signal, scores, ranks[:, place], owner)
        columns += self._agreement_columns(candidates, ranks, owner)
        columns += self._category_columns(candidates)
        columns += _context_columns(candidates, owner)
        names, sources, monotone, values = zip(*columns, strict=True)
        return FeatureMatrix(np.stack(values, axis=1).astype(np.float32), names, sources, monotone, ranks)

    def _agreement_columns(
        self, candidates: Candidates, ranks: NDArray[np.int64], owner: NDArray[np.int64]
    ) -> list[_Column]:
        support = _reciprocal(ranks).mean(axis=1, dtype=np.float64)
        under_parent = segments.total(support, (owner << 32) | (self._parents[candidates.categories] + 1))
        under_root = segments.total(support, (owner << 32) | self._roots[candidates.categories])
        return [
            (AGREEMENT + "_named", AGREEMENT, 1, candidates.named.sum(axis=1).astype(np.float32)),
            (AGREEMENT + "_first", AGREEMENT, 1, (ranks == 1).sum(axis=1).astype(np.float32)),
            (AGREEMENT + "_support", AGREEMENT, 1, support.astype(np.float32)),
            (AGREEMENT + "_support_of_parent", AGREEMENT, 0, under_parent.astype(np.float32)),
            (AGREEMENT + "_support_of_root", AGREEMENT, 0, under_root.astype(np.float32)),
        ]

    def _category_columns(self, candidates: Candidates) -> list[_Column]:
        return [
            (CATEGORY + "_log_prior", CATEGORY, 0, self._log_priors[candidates.categories]),
            (CATEGORY + "_depth", CATEGORY, 0, self._depths[candidates.categories]),
            (CATEGORY + "_is_leaf", CATEGORY, 0, self._leaves[candidates.categories]),
        ]


def _signal_columns(
    signal: str, scores: NDArray[np.float32], ranks: NDArray[np.int64], owner: NDArray[np.int64]
) -> list[_Column]:
    """Score, lead over the best other candidate (negative behind it), and reciprocal rank."""
    best = segments.maximum(scores, owner)
    best_of_rest = segments.maximum(np.where(ranks == 1, np.float32(np.nan), scores), owner)
    rival = np.where(ranks == 1, best_of_rest, best)
    lead = np.where(np.isfinite(rival), scores - np.where(np.isfinite(rival), rival, 0), scores)
    return [
        (f"{signal}_score", signal, 1, scores),
        (f"{signal}_lead", signal, 1, lead.astype(np.float32)),
        (f"{signal}_reciprocal_rank", signal, 1, _reciprocal(ranks)),
    ]


def _context_columns(candidates: Candidates, owner: NDArray[np.int64]) -> list[_Column]:
    """What a signal knows of the product; it counts as that signal's."""
    return [
        (name, _signal_of(name, candidates.signals), 0, candidates.context[owner, place])
        for place, name in enumerate(candidates.context_names)
    ]


def _signal_of(context_name: str, signals: tuple[str, ...]) -> str:
    """Context columns bear the name of their signal in front."""
    return next(signal for signal in signals if context_name.startswith(f"{signal}_"))


def _reciprocal(ranks: NDArray[np.int64]) -> NDArray[np.float32]:
    return np.where(ranks > 0, 1 / np.maximum(ranks, 1), 0).astype(np.float32)
