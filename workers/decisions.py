"""Verdicts become the events that consumers read."""

from __future__ import annotations

from typing import Any, Final

from schemas.events.batch import CandidateProduct, Outcome
from schemas.events.decision import Alternative, Category, CategoryAssigned, Decision, NeedsReview, ReviewReason
from schemas.events.position import SourcePosition, decision_id
from schemas.taxonomy.tree import Taxonomy
from workers.ranking.ranking import Verdict

# One kind for both outcomes: an event that is decided again after the statistics moved may be decided otherwise,
# and is the same decision to whoever counts.
DECISION: Final = "decision"


def decision_event(
    verdict: Verdict, about: CandidateProduct, source: SourcePosition, taxonomy: Taxonomy, model_version: str
) -> Decision:
    """Return the event of a verdict; equal input gives an equal event, its ``decision_id`` included."""
    common: dict[str, Any] = {
        "decision_id": decision_id(source, DECISION),
        "product_id": about.product_id,
        "confidence": verdict.confidence,
        "alternatives": tuple(
            Alternative(_category(taxonomy, node), probability) for node, probability in verdict.alternatives
        ),
        "evidence": verdict.evidence,
        "model_version": model_version,
        "taxonomy_version": taxonomy.version,
        "source": source,
        "brand": about.brand,
        "stores": about.stores,
        "tags": about.tags,
        "product_updated_at": about.updated_at,
    }
    if verdict.category is None:
        return NeedsReview(reason=_reason(verdict), **common)
    return CategoryAssigned(
        category=_category(taxonomy, verdict.category),
        backed_off=verdict.outcome is Outcome.BACKED_OFF,
        also=tuple(_category(taxonomy, node) for node in verdict.also),
        **common,
    )


def _reason(verdict: Verdict) -> ReviewReason:
    if verdict.of_new_store:
        return "new_store"
    return "low_confidence" if verdict.alternatives else "no_candidates"


def _category(taxonomy: Taxonomy, node: int) -> Category:
    return Category(taxonomy.ids[node], taxonomy.paths[node])
