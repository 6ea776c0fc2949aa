"""Which of the waiting products a reviewer is asked about."""

from __future__ import annotations

import pytest

from schemas.events.decision import NeedsReview
from schemas.events.position import SourcePosition
from streams.review.part import Part
from workers.statistics import normalise_key


@pytest.mark.parametrize(
    ("wanted", "has"), [("bright  LAMPS", True), ("Bright Lamps ", True), ("Bright", False), ("", False)]
)
def test_a_store_is_the_one_that_the_statistics_count_under_its_name(wanted: str, has: bool) -> None:
    decision = NeedsReview(
        decision_id="d",
        product_id="p",
        title="Lamp",
        stores=("Other", " Bright  Lamps"),
        confidence=0.1,
        alternatives=(),
        evidence=(),
        model_version="m",
        taxonomy_version="t",
        source=SourcePosition("products", 0, 1),
        reason="low_confidence",
    )
    assert Part(frozenset([normalise_key(wanted)])).has(decision) == has
