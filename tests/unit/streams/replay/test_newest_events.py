from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.events.codec import encode
from schemas.events.dead_letter import ATTEMPT_HEADER, Headers, attempt_of
from schemas.events.product import Product
from schemas.events.sent_again import (
    ORIGINAL_OFFSET_HEADER,
    VERDICT_OFFSET_HEADER,
    headers_again,
    judged_offset,
    original_offset,
    verdict_offset,
)
from streams.clients.partition_reader import PublishedEvent
from streams.replay.newest_events import Fate, NewestEvents

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
END = 1_000


def event(
    offset: int,
    product_id: str = "p",
    *,
    day: int | None = None,
    removed: bool = False,
    headers: Headers | None = None,
) -> PublishedEvent:
    updated_at = None if day is None else NOON + timedelta(days=day)
    value = None if removed else encode(Product(product_id=product_id, title="Cup", updated_at=updated_at))
    return PublishedEvent(0, offset, product_id.encode(), value, headers or [])


def copy_of(original: PublishedEvent, offset: int) -> PublishedEvent:
    headers = headers_again(original.headers, original.offset)
    return PublishedEvent(0, offset, original.key, original.value, headers)


def fates(events: list[PublishedEvent], last: int = END) -> list[Fate]:
    newest = NewestEvents(last)
    for item in events:
        newest.add(item)
    return [newest.fate(item) for item in events]


def test_only_the_last_edit_of_a_product_is_replayed() -> None:
    assert fates([event(0), event(1, "q"), event(2)]) == [Fate.SUPERSEDED, Fate.REPLAY, Fate.REPLAY]


def test_an_edit_that_came_late_does_not_stand() -> None:
    assert fates([event(0, day=2), event(1, day=1)]) == [Fate.REPLAY, Fate.SUPERSEDED]


def test_a_removed_product_is_not_replayed_and_one_that_came_back_is() -> None:
    assert fates([event(0), event(1, removed=True)]) == [Fate.REMOVED, Fate.REMOVED]
    assert fates([event(0, removed=True), event(1)]) == [Fate.SUPERSEDED, Fate.REPLAY]


def test_what_breaks_the_contract_is_left_to_the_dead_letters_and_hides_no_edit() -> None:
    broken = PublishedEvent(0, 1, b"p", b'{"product_id":"p"', [])
    nameless = PublishedEvent(0, 2, None, None, [])
    assert fates([event(0), broken, nameless]) == [Fate.REPLAY, Fate.INVALID, Fate.INVALID]


def test_a_copy_stands_where_its_original_stood_so_an_undated_edit_between_them_is_newer() -> None:
    original, edit = event(0), event(1)
    assert fates([original, edit, copy_of(original, 2)]) == [Fate.SUPERSEDED, Fate.REPLAY, Fate.SUPERSEDED]


def test_a_second_replay_of_the_same_span_replays_the_same_events() -> None:
    original = event(0)
    assert fates([original, copy_of(original, 5)], last=3)[0] is Fate.REPLAY


def test_of_copies_within_the_span_one_is_replayed() -> None:
    original = event(0)
    again = copy_of(original, 1)
    assert fates([original, again, copy_of(again, 2)]) == [Fate.SUPERSEDED, Fate.SUPERSEDED, Fate.REPLAY]


@given(
    st.lists(
        st.tuples(st.sampled_from("pqr"), st.none() | st.integers(0, 3), st.booleans()), min_size=1, max_size=12
    )
)
def test_what_stands_is_what_remains_when_the_edits_are_applied_one_by_one(
    edits: list[tuple[str, int | None, bool]],
) -> None:
    events = [event(place, name, day=day, removed=gone) for place, (name, day, gone) in enumerate(edits)]
    newest_date: dict[str, datetime] = {}
    remaining: dict[str, tuple[int, bool]] = {}
    for place, (name, day, gone) in enumerate(edits):
        date = None if day is None or gone else NOON + timedelta(days=day)
        if date is not None and date < newest_date.get(name, NOON):
            continue
        newest_date[name] = date or newest_date.get(name, NOON)
        remaining[name] = (place, gone)
    replayed = {place for place, fate in enumerate(fates(events)) if fate is Fate.REPLAY}
    assert replayed == {place for place, gone in remaining.values() if not gone}


def test_an_older_edit_does_not_bring_back_what_was_removed_and_a_newer_one_does() -> None:
    before = [event(0, day=2), event(1, removed=True)]
    assert fates([*before, event(2, day=1)]) == [Fate.REMOVED] * 3
    assert fates([*before, event(2, day=3)]) == [Fate.SUPERSEDED, Fate.SUPERSEDED, Fate.REPLAY]


@pytest.mark.parametrize("value", [b"x", b"", b"-1", b"9" * 5_000, b"8"])
def test_an_event_stands_at_its_own_offset_where_the_header_says_nothing_earlier(value: bytes) -> None:
    assert original_offset([(ORIGINAL_OFFSET_HEADER, value)], 7) == 7


def test_headers_of_a_copy_keep_the_feeds_own_and_name_the_first_offset_through_all_copies() -> None:
    first = headers_again([("trace", b"\x00")], 7)
    second = headers_again(first, 9)
    assert first == [("trace", b"\x00"), (ORIGINAL_OFFSET_HEADER, b"7"), (ATTEMPT_HEADER, b"2")]
    assert second == [("trace", b"\x00"), (ORIGINAL_OFFSET_HEADER, b"7"), (ATTEMPT_HEADER, b"3")]
    assert attempt_of(second) == 3


def test_headers_of_a_copy_name_the_verdict_that_it_was_made_for_and_no_earlier_one() -> None:
    first = headers_again([("trace", b"\x00")], 7, verdict=3)
    second = headers_again(first, 9, verdict=5)
    told = [(verdict_offset(each), judged_offset(each)) for each in (first, second, headers_again(second, 11))]
    assert told == [(3, 7), (5, 9), (None, None)]
    assert (original_offset(second, 9), attempt_of(second)) == (7, 3)
    assert verdict_offset([(VERDICT_OFFSET_HEADER, b"x")]) is None
