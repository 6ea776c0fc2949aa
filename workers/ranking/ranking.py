"""Ranking: turn candidates into predictions."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from typing import Final

import numpy as np
from numpy.typing import NDArray

from schemas.events.batch import Outcome
from schemas.events.decision import Evidence
from schemas.taxonomy.tree import Taxonomy
from workers.arrays import segments
from workers.ranking.calibration import Calibrator, CandidateProbabilities, own_probability
from workers.ranking.features import FeatureBuilder, FeatureMatrix
from workers.ranking.labelled import Labelled
from workers.ranking.likeliest import AncestorLevels, TopCandidates
from workers.ranking.policy import Policy
from workers.ranking.ranker import Ranker
from workers.recall.candidates import Candidates

ALTERNATIVES: Final = 5
_DIGITS: Final = 4


@dataclass(frozen=True, slots=True)
class Prediction:
    """The decision on one product; categories are node indices of the tree.

    ``category`` is ``None`` for review. ``confidence`` is the calibrated probability that the decision is right,
    ``likeliest_confidence`` the probability that the first alternative is right. ``alternatives`` are pairs (node,
    probability), likeliest first. ``also`` are further categories within the error budget.
    ``held_back_for_new_store`` means that the model was sure enough in general, but not for a product whose stores
    it hardly knows. ``review_id`` identifies the verdict if a person decided instead of the model.
    """

    outcome: Outcome
    category: int | None
    confidence: float
    likeliest_confidence: float
    alternatives: tuple[tuple[int, float], ...]
    evidence: tuple[Evidence, ...]
    also: tuple[int, ...] = ()
    held_back_for_new_store: bool = False
    review_id: str | None = None


@dataclass(frozen=True, slots=True)
class ScoredCandidates:
    """m candidates as scored by the ranker.

    ``features`` are the features of the ``candidates``. ``margins``, float32 (m,), are the log-odds that a
    candidate is right rather than none. ``probability``, float64 (m,), is that of being the one right category.
    """

    candidates: Candidates
    features: FeatureMatrix
    margins: NDArray[np.float32]
    probability: NDArray[np.float64]

    def label_ranks(self, labels: NDArray[np.int32]) -> NDArray[np.int64]:
        """Return the rank of each of n labels, int32 (n,), by each signal and, in the last column, by probability.

        The ranks are int64 (n, signals + 1), from 1. They are 0 if a signal has no score for the label, or if the
        label is not a candidate.
        """
        owner = self.candidates.product_of_row
        by_probability = segments.ranks(self.probability.astype(np.float32), owner)
        ranks = np.column_stack([self.features.ranks, by_probability])
        found = np.zeros((len(self.candidates), ranks.shape[1]), np.int64)
        relevant = np.flatnonzero(self.candidates.categories == labels[owner])
        found[owner[relevant]] = ranks[relevant]
        return found


@dataclass(frozen=True, slots=True)
class Ranking:
    """Scores, calibrates, decides and explains; the same candidates always give the same prediction."""

    taxonomy: Taxonomy
    features: FeatureBuilder
    ranker: Ranker
    probabilities: CandidateProbabilities
    assign_calibrator: Calibrator
    back_off_calibrator: Calibrator
    policy: Policy

    def score(self, candidates: Candidates) -> ScoredCandidates:
        """Return the features, margin and probability of each candidate."""
        matrix = self.features.build(candidates)
        margins = self.ranker.margins(matrix.values)
        probability = self.probabilities(margins, candidates.product_of_row)
        return ScoredCandidates(candidates, matrix, margins, probability)

    def decide(self, candidates: Candidates) -> list[Prediction]:
        """Return a prediction for each product, in order."""
        return self.predictions(self.score(candidates))

    def predictions(self, scored: ScoredCandidates) -> list[Prediction]:
        """Return a prediction for each product, in order."""
        candidates, probability = scored.candidates, scored.probability
        top = TopCandidates.of(candidates, probability)
        levels = AncestorLevels.of(candidates, probability, self.taxonomy.ancestor_matrix).above(top.category)
        sure = self.assign_calibrator(top.probability)
        outcomes = self._outcomes(top, levels, sure, Labelled.of(candidates))
        kinds = [outcome for outcome, _, _, _ in outcomes]
        return [
            Prediction(outcome, category, confidence, likeliest, alternatives, evidence, also, held_back)
            for (outcome, category, confidence, held_back), likeliest, alternatives, evidence, also in zip(
                outcomes,
                _confidences(sure, top),
                _alternatives(candidates, probability),
                self._evidence(candidates, scored.features, top),
                self._also(candidates, scored.margins, top, kinds),
                strict=True,
            )
        ]

    def _also(
        self, candidates: Candidates, margins: NDArray[np.float32], top: TopCandidates, outcomes: list[Outcome]
    ) -> list[tuple[int, ...]]:
        """Return further categories for each product that was assigned, likeliest first."""
        found: list[tuple[int, ...]] = [() for _ in outcomes]
        if self.policy.also > 1:
            return found
        likely = np.flatnonzero(own_probability(margins) >= self.policy.also)
        for product in sorted(set(candidates.product_of_row[likely].tolist())):
            if outcomes[product] is not Outcome.ASSIGNED:
                continue
            rows = likely[candidates.product_of_row[likely] == product]
            rows = rows[np.argsort(-margins[rows], kind="stable")]
            found[product] = tuple(candidates.categories[rows[rows != top.row[product]]].tolist())
        return found

    def _outcomes(
        self, top: TopCandidates, levels: AncestorLevels, sure: NDArray[np.float64], labelled: Labelled
    ) -> list[tuple[Outcome, int | None, float, bool]]:
        roots = self.taxonomy.ancestor_matrix[top.category, 0]
        assigned, depth, held_back = self.policy.decide(top, levels, roots, labelled)
        at_depth = np.maximum(depth, 0)[:, None]
        ancestor = np.take_along_axis(levels.category, at_depth, axis=1)[:, 0]
        mass = np.take_along_axis(levels.probability, at_depth, axis=1)[:, 0]
        backed_off = zip(ancestor.tolist(), self.back_off_calibrator(mass).tolist(), strict=True)
        likeliest = zip(top.category.tolist(), _confidences(sure, top), strict=True)
        return [
            (Outcome.NEEDS_REVIEW, None, best[1], True)
            if is_held_back
            else (Outcome.ASSIGNED, *best, False)
            if is_assigned
            else (Outcome.BACKED_OFF, above[0], round(above[1], 6), False)
            if is_backed_off
            else (Outcome.NEEDS_REVIEW, None, best[1], False)
            for is_held_back, is_assigned, is_backed_off, best, above in zip(
                held_back.tolist(), assigned.tolist(), (depth >= 0).tolist(), likeliest, backed_off, strict=True
            )
        ]

    def _evidence(
        self, candidates: Candidates, matrix: FeatureMatrix, top: TopCandidates
    ) -> list[tuple[Evidence, ...]]:
        """Explain the likeliest candidate of each product."""
        evidence: list[tuple[Evidence, ...]] = [() for _ in top.row]
        products = np.flatnonzero(top.row >= 0)
        rows = top.row[products]
        shares = self.ranker.contributions(matrix.values[rows])
        explained = _by_source(candidates, matrix, rows, shares[:, :-1])
        for product, found in zip(products.tolist(), explained, strict=True):
            evidence[product] = found
        return evidence


def _by_source(
    candidates: Candidates, matrix: FeatureMatrix, rows: NDArray[np.int64], shares: NDArray[np.float32]
) -> list[tuple[Evidence, ...]]:
    """Sum the features' contributions to ``rows`` by their source, such as a signal, the largest first."""
    names, features, firsts = _sorted_sources(matrix.sources)
    total = np.add.reduceat(shares[:, features], firsts, axis=1, dtype=np.float64)
    # Among equal contributions, the first name comes first.
    order = np.argsort(-np.abs(total), axis=1, kind="stable")
    column_of = {signal: column for column, signal in enumerate(candidates.signals)}
    columns = [column_of.get(name, -1) for name in names]
    nothing = np.zeros((len(rows), 1))
    # The last column, with index -1, is for sources that are not signals.
    ranks = np.hstack([matrix.ranks[rows], nothing.astype(np.int64)])[:, columns].tolist()
    scores = np.round(
        np.hstack([candidates.scores[rows].astype(np.float64), nothing])[:, columns], _DIGITS
    ).tolist()
    contributions = np.round(total, _DIGITS).tolist()
    return [
        tuple(
            Evidence(
                signal=names[at],
                contribution=value[at],
                rank=rank[at] or None,
                score=score[at] if rank[at] else None,
            )
            for at in sequence
        )
        for sequence, value, rank, score in zip(order.tolist(), contributions, ranks, scores, strict=True)
    ]


@lru_cache(maxsize=8)
def _sorted_sources(sources: tuple[str, ...]) -> tuple[list[str], NDArray[np.intp], NDArray[np.intp]]:
    """Return the sorted names of the sources, the features ordered by source, and where each source starts."""
    features = sorted(range(len(sources)), key=lambda feature: sources[feature])
    ordered = [sources[feature] for feature in features]
    names = sorted(set(sources))
    return names, np.array(features), np.array([ordered.index(name) for name in names])


def _confidences(sure: NDArray[np.float64], top: TopCandidates) -> list[float]:
    """Return the confidence in each product's likeliest candidate, 0 if it has no candidates."""
    return [round(each, 6) for each in np.where(top.row >= 0, sure, 0.0).tolist()]


def _alternatives(candidates: Candidates, probability: NDArray[np.float64]) -> list[tuple[tuple[int, float], ...]]:
    """Return the likeliest candidates of each product and their probabilities, likeliest first."""
    # Stable: among equally likely candidates, the first category comes first.
    order = np.lexsort((-probability, candidates.product_of_row))
    firsts = candidates.offsets[:-1, None] + np.arange(ALTERNATIVES)
    has = firsts < candidates.offsets[1:, None]
    best = order[firsts[has]]
    pairs = iter(zip(candidates.categories[best].tolist(), probability[best].tolist(), strict=True))
    return [
        tuple((category, round(likely, 6)) for category, likely in islice(pairs, count))
        for count in has.sum(axis=1).tolist()
    ]
