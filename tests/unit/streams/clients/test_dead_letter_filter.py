from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from schemas.events.dead_letter import ATTEMPT_HEADER, DeadLetter
from streams.clients.dead_letters import Filter, again_headers
from streams.clients.subscriber import Received

pytestmark = pytest.mark.unit

LETTER = DeadLetter(
    reason="empty_title",
    detail="",
    stage="intake",
    attempt=3,
    source_topic="products.changed.v1",
    source_partition=0,
    source_offset=1,
)
RECEIVED = Received("products.dead-letter.v1", 0, 1, 1_700_000_000_000, b"p1", b"{}", [], LETTER)
DIED = datetime.fromtimestamp(1_700_000_000, UTC)


@pytest.mark.parametrize(
    ("wanted", "matches"),
    [
        ({}, True),
        ({"reasons": {"empty_title", "too_large"}}, True),
        ({"reasons": {"too_large"}}, False),
        ({"stages": {"recall"}}, False),
        ({"keys": {b"p1"}}, True),
        ({"keys": {b"p2"}}, False),
        ({"since": DIED}, True),
        ({"until": DIED}, False),
        ({"since": DIED, "stages": {"intake"}, "reasons": {"too_large"}}, False),
    ],
)
def test_a_dead_letter_must_match_all_that_is_asked(wanted: dict[str, Any], matches: bool) -> None:
    sets: dict[str, Any] = {name: frozenset(value) for name, value in wanted.items() if isinstance(value, set)}
    filter_ = Filter(**(wanted | sets))
    assert filter_.matches(RECEIVED) is matches
    assert bool(filter_) is bool(wanted)


def test_the_attempt_goes_along_and_the_rest_of_our_headers_does_not() -> None:
    headers = LETTER.to_headers([("ce_id", b"1")])
    assert again_headers(LETTER, headers) == [("ce_id", b"1"), (ATTEMPT_HEADER, b"4")]
