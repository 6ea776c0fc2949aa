"""Ranking: candidates in, verdicts out."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from schemas.events.batch import Outcome
from schemas.events.decision import Evidence
from schemas.taxonomy.tree import Taxonomy
from workers.candidates import Candidates
from workers.ranking import segments
from workers.ranking.calibration import Calibrator, CandidateProbabilities, own_probability
from workers.ranking.features import FeatureBuilder, FeatureMatrix
from workers.ranking.likeliest import AncestorLevels, TopCandidates
from workers.ranking.policy import Policy
from workers.ranking.ranker import Ranker

ALTERNATIVES: Final = 5
_DIGITS: Final = 4


@dataclass(frozen=True, slots=True)
class Verdict:
    """The decision on one product; categories are node indices of the tree.

    ``category`` is ``None`` for review. ``confidence`` is the calibrated probability that the decision is right,
    ``likeliest_confidence`` that the first of the alternatives is. ``alternatives`` are (node, probability),
    likeliest first. ``also`` are further categories within the error budget.
    """

    outcome: Outcome
    category: int | None
    confidence: float
    likeliest_confidence: float
    alternatives: tuple[tuple[int, float], ...]
    evidence: tuple[Evidence, ...]
    also: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class ScoredCandidates:
    """What the ranker says of m candidates.

    ``features`` are those of the ``candidates``, ``margins`` float32 (m,) in log-odds, and ``probability``
    float64 (m,) that the candidate is the one right category.
    """

    candidates: Candidates
    features: FeatureMatrix
    margins: NDArray[np.float32]
    probability: NDArray[np.float64]

    def places(self, labels: NDArray[np.int32]) -> NDArray[np.int64]:
        """Return where each of n labels, int32 (n,), stands by each signal and, last, by probability.

        int64 (n, signals + 1); 0 where a signal says nothing of the label, or it is no candidate.
        """
        owner = self.candidates.product_of_row
        by_probability = segments.ranks(self.probability.astype(np.float32), owner)
        ranks = np.column_stack([self.features.ranks, by_probability])
        places = np.zeros((len(self.candidates), ranks.shape[1]), np.int64)
        relevant = np.flatnonzero(self.candidates.categories == labels[owner])
        places[owner[relevant]] = ranks[relevant]
        return places


@dataclass(frozen=True, slots=True)
class Ranking:
    """Scores candidates, calibrates, decides, explains; the same candidates give the same verdict."""

    taxonomy: Taxonomy
    features: FeatureBuilder
    ranker: Ranker
    probabilities: CandidateProbabilities
    assign_calibrator: Calibrator
    back_off_calibrator: Calibrator
    policy: Policy

    def score(self, candidates: Candidates) -> ScoredCandidates:
        """Return what the ranker says of each candidate."""
        matrix = self.features.build(candidates)
        margins = self.ranker.margins(matrix.values)
        probability = self.probabilities(margins, candidates.product_of_row)
        return ScoredCandidates(candidates, matrix, margins, probability)

    def decide(self, candidates: Candidates) -> list[Verdict]:
        """Return a verdict for each product, in order."""
        return self.verdicts(self.score(candidates))

    def verdicts(self, scored: ScoredCandidates) -> list[Verdict]:
        """Return a verdict for each product, in order."""
        candidates, probability = scored.candidates, scored.probability
        top = TopCandidates.of(candidates, probability)
        levels = AncestorLevels.of(candidates, probability, self.taxonomy.ancestor_matrix)
        sure = self.assign_calibrator(top.probability)
        outcomes = self._outcomes(top, levels, sure)
        evidence = self._evidence(candidates, scored.features, top, [outcome for outcome, _, _ in outcomes])
        also = self._also(candidates, scored.margins, top, [outcome for outcome, _, _ in outcomes])
        return [
            Verdict(
                outcome,
                category,
                confidence,
                round(float(sure[product]), 6) if top.row[product] >= 0 else 0.0,
                _alternatives(candidates, probability, product),
                evidence[product],
                also[product],
            )
            for product, (outcome, category, confidence) in enumerate(outcomes)
        ]

    def _also(
        self, candidates: Candidates, margins: NDArray[np.float32], top: TopCandidates, outcomes: list[Outcome]
    ) -> list[tuple[int, ...]]:
        """Return the further categories of each product that was assigned, likeliest first."""
        found: list[tuple[int, ...]] = [() for _ in outcomes]
        likely = np.flatnonzero(own_probability(margins) >= self.policy.also)
        for product in np.unique(candidates.product_of_row[likely]).tolist():
            if outcomes[product] is not Outcome.ASSIGNED:
                continue
            rows = likely[candidates.product_of_row[likely] == product]
            rows = rows[np.argsort(-margins[rows], kind="stable")]
            found[product] = tuple(candidates.categories[rows[rows != top.row[product]]].tolist())
        return found

    def _outcomes(
        self, top: TopCandidates, levels: AncestorLevels, sure: NDArray[np.float64]
    ) -> list[tuple[Outcome, int | None, float]]:
        assigned = self.policy.assigns(top, self.taxonomy.ancestor_matrix[top.category, 0])
        depth = self.policy.level(levels)
        at_depth = np.maximum(depth, 0)[:, None]
        ancestor = np.take_along_axis(levels.category, at_depth, axis=1)[:, 0]
        mass = np.take_along_axis(levels.probability, at_depth, axis=1)[:, 0]
        prefix_sure = self.back_off_calibrator(mass)
        found: list[tuple[Outcome, int | None, float]] = []
        for product in range(len(assigned)):
            if assigned[product]:
                found.append((Outcome.ASSIGNED, int(top.category[product]), round(float(sure[product]), 6)))
            elif depth[product] >= 0:
                confidence = round(float(prefix_sure[product]), 6)
                found.append((Outcome.BACKED_OFF, int(ancestor[product]), confidence))
            else:
                confidence = round(float(sure[product]), 6) if top.row[product] >= 0 else 0.0
                found.append((Outcome.NEEDS_REVIEW, None, confidence))
        return found

    def _evidence(
        self, candidates: Candidates, matrix: FeatureMatrix, top: TopCandidates, outcomes: list[Outcome]
    ) -> list[tuple[Evidence, ...]]:
        """Explain the likeliest candidate: exactly where a person will read it, cheaply elsewhere."""
        evidence: list[tuple[Evidence, ...]] = [() for _ in outcomes]
        review = np.array([outcome is Outcome.NEEDS_REVIEW for outcome in outcomes], np.bool_)
        for exact in (True, False):
            products = np.flatnonzero((review == exact) & (top.row >= 0))
            rows = top.row[products]
            shares = self.ranker.contributions(matrix, rows, exact=exact)
            explained = _by_source(candidates, matrix, rows, shares[:, :-1])
            for product, found in zip(products.tolist(), explained, strict=True):
                evidence[product] = found
        return evidence


def _by_source(
    candidates: Candidates, matrix: FeatureMatrix, rows: NDArray[np.int64], shares: NDArray[np.float32]
) -> list[tuple[Evidence, ...]]:
    """Sum the features' contributions to some rows by the signal they come from, weightiest first."""
    names, features, firsts = _sorted_sources(matrix.sources)
    total = np.add.reduceat(shares[:, features], firsts, axis=1, dtype=np.float64)
    # Of equal weight the first name comes first.
    order = np.argsort(-np.abs(total), axis=1, kind="stable")
    places = {signal: place for place, signal in enumerate(candidates.signals)}
    columns = [places.get(name, -1) for name in names]
    nothing = np.zeros((len(rows), 1))
    # The last column, which -1 names, is of sources that are no signals.
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
    """Return the names of the sources, the features in their order, and the first of each among these."""
    features = sorted(range(len(sources)), key=lambda feature: sources[feature])
    ordered = [sources[feature] for feature in features]
    names = sorted(set(sources))
    return names, np.array(features), np.array([ordered.index(name) for name in names])


def _alternatives(
    candidates: Candidates, probability: NDArray[np.float64], product: int
) -> tuple[tuple[int, float], ...]:
    rows = slice(int(candidates.offsets[product]), int(candidates.offsets[product + 1]))
    best = np.argsort(-probability[rows], kind="stable")[:ALTERNATIVES] + rows.start
    return tuple((int(candidates.categories[row]), round(float(probability[row]), 6)) for row in best)
