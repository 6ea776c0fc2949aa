"""What people read of a decision tells them why it is theirs to make."""

from __future__ import annotations

import pytest

from schemas.events.decision import Alternative, Category, NeedsReview, ReviewReason
from schemas.events.position import SourcePosition
from streams.clients.render import decision_text

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(("reason", "told"), [("low_confidence", False), ("new_store", True)])
def test_a_request_for_review_says_where_it_is_for_the_store_alone(reason: ReviewReason, told: bool) -> None:
    decision = NeedsReview(
        decision_id="d",
        product_id="p",
        confidence=0.98,
        alternatives=(Alternative(Category("1", ("Home", "Lamps")), 0.98),),
        evidence=(),
        model_version="m",
        taxonomy_version="t",
        source=SourcePosition("feed", 0, 1),
        reason=reason,
    )
    text = decision_text(decision).plain
    assert text.startswith("needs review")
    assert ("store is new" in text) is told
