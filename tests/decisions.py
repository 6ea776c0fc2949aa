"""Decisions and verdicts of which a test says what it is about, and nothing else."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from schemas.events.decision import Category, CategoryAssigned, NeedsReview
from schemas.events.position import SourcePosition
from schemas.events.review import ReviewDecided

_DECIDED: dict[str, Any] = {
    "decision_id": "d",
    "product_id": "p",
    "confidence": 0.97,
    "alternatives": (),
    "evidence": (),
    "model_version": "m",
    "taxonomy_version": "t",
    "source": SourcePosition("products.changed.v1", 0, 1),
}


def assigned(**said: Any) -> CategoryAssigned:
    """Return a decision that a product belongs in a category: in lamps, unless the test says otherwise."""
    lamps = Category("c1", ("Home", "Lamps"))
    return CategoryAssigned(**_DECIDED | {"category": lamps, "backed_off": False, "also": ()} | said)


def needs_review(**said: Any) -> NeedsReview:
    """Return a decision that a person must say where a product belongs."""
    return NeedsReview(**_DECIDED | {"reason": "low_confidence"} | said)


def verdict(category_id: str | None, **said: Any) -> ReviewDecided:
    """Return what a person says of a product."""
    fields: dict[str, Any] = {"review_id": "r", "product_id": "p", "reviewer": "a person"}
    when = datetime(2026, 1, 2, tzinfo=UTC)
    return ReviewDecided(category_id=category_id, **fields | {"decided_at": when} | said)
