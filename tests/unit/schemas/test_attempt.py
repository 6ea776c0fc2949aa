from __future__ import annotations

import pytest

from schemas.events.dead_letter import ATTEMPT_HEADER, attempt_of


@pytest.mark.parametrize(
    ("value", "attempt"), [(b"3", 3), (b"0", 1), (b"-1", 1), (b"x", 1), (b"9" * 5_000, 1), (b"", 1)]
)
def test_the_attempt_is_read_from_the_header_and_nonsense_counts_as_the_first(value: bytes, attempt: int) -> None:
    assert attempt_of([("other", b"7"), (ATTEMPT_HEADER, value)]) == attempt


def test_an_event_without_the_header_is_at_its_first_attempt() -> None:
    assert attempt_of([]) == 1
