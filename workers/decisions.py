"""Turn the model's predictions into the events that consumers read."""

from __future__ import annotations

from typing import Any, Final

from schemas.events.batch import CandidateProduct, Outcome
from schemas.events.decision import Alternative, Category, CategoryAssigned, Decision, NeedsReview, ReviewReason
from schemas.events.position import SourcePosition, decision_id
from schemas.taxonomy.tree import Taxonomy
from workers.ranking.ranking import Prediction

# One kind for both outcomes: an event that is decided again after the statistics changed may get another outcome,
# but consumers that count decisions must see the same one.
DECISION: Final = "decision"


def decision_event(
    prediction: Prediction, about: CandidateProduct, source: SourcePosition, taxonomy: Taxonomy, model_version: str
) -> Decision:
    """Return the event for a prediction; equal input gives an equal event, including its ``decision_id``."""
    common: dict[str, Any] = {
        "decision_id": decision_id(source, DECISION),
        "product_id": about.product_id,
        "title": about.title,
        "confidence": prediction.confidence,
        "alternatives": tuple(
            Alternative(_category(taxonomy, node), probability) for node, probability in prediction.alternatives
        ),
        "evidence": prediction.evidence,
        "model_version": model_version,
        "taxonomy_version": taxonomy.version,
        "source": source,
        "review_id": prediction.review_id,
        "brand": about.brand,
        "stores": about.stores,
        "tags": about.tags,
        "product_updated_at": about.updated_at,
    }
    if prediction.category is None:
        return NeedsReview(reason=_reason(prediction), **common)
    return CategoryAssigned(
        category=_category(taxonomy, prediction.category),
        backed_off=prediction.outcome is Outcome.BACKED_OFF,
        also=tuple(_category(taxonomy, node) for node in prediction.also),
        **common,
    )


def _reason(prediction: Prediction) -> ReviewReason:
    if prediction.review_id is not None:
        return "belongs_nowhere"
    if prediction.held_back_for_new_store:
        return "new_store"
    return "low_confidence" if prediction.alternatives else "no_candidates"


def _category(taxonomy: Taxonomy, node: int) -> Category:
    return Category(taxonomy.ids[node], taxonomy.paths[node])
