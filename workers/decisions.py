"""Verdicts become the events that consumers read."""

from __future__ import annotations

from schemas.events.batch import CandidateProduct, Outcome
from schemas.events.decision import Alternative, Category, CategoryAssigned, Decision, Evidence, NeedsReview
from schemas.events.position import SourcePosition, decision_id
from schemas.taxonomy.tree import Taxonomy
from workers.ranking.ranking import Verdict

ASSIGNED = "category.assigned"
NEEDS_REVIEW = "category.needs-review"


def decision_event(
    verdict: Verdict, about: CandidateProduct, source: SourcePosition, taxonomy: Taxonomy, model_version: str
) -> Decision:
    """Return the event of a verdict; equal input gives an equal event, its ``decision_id`` included."""
    alternatives = tuple(
        Alternative(_category(taxonomy, node), probability) for node, probability in verdict.alternatives
    )
    evidence = tuple(
        Evidence(signal=item.source, contribution=item.contribution, rank=item.rank, score=item.score)
        for item in verdict.evidence
    )
    if verdict.category is None:
        return NeedsReview(
            decision_id=decision_id(source, NEEDS_REVIEW),
            product_id=about.product_id,
            reason="low_confidence" if alternatives else "no_candidates",
            confidence=verdict.confidence,
            alternatives=alternatives,
            evidence=evidence,
            model_version=model_version,
            taxonomy_version=taxonomy.version,
            source=source,
            brand=about.brand,
            stores=about.stores,
            product_updated_at=about.updated_at,
        )
    return CategoryAssigned(
        decision_id=decision_id(source, ASSIGNED),
        product_id=about.product_id,
        category=_category(taxonomy, verdict.category),
        backed_off=verdict.outcome is Outcome.BACKED_OFF,
        confidence=verdict.confidence,
        also=(),
        alternatives=alternatives,
        evidence=evidence,
        model_version=model_version,
        taxonomy_version=taxonomy.version,
        source=source,
        brand=about.brand,
        stores=about.stores,
        product_updated_at=about.updated_at,
    )


def _category(taxonomy: Taxonomy, node: int) -> Category:
    return Category(taxonomy.ids[node], taxonomy.paths[node])
