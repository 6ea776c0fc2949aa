"""Which of the waiting products a reviewer is asked about."""

from __future__ import annotations

import pytest

from streams.review.part import Part
from tests.decisions import needs_review
from workers.statistics import normalise_key


@pytest.mark.parametrize(
    ("wanted", "has"), [("bright  LAMPS", True), ("Bright Lamps ", True), ("Bright", False), ("", False)]
)
def test_a_store_is_the_one_that_the_statistics_count_under_its_name(wanted: str, has: bool) -> None:
    decision = needs_review(stores=("Other", " Bright  Lamps"))
    assert Part(frozenset([normalise_key(wanted)])).has(decision) == has
