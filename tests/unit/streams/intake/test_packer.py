from __future__ import annotations

import gc
import weakref
from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.events.batch import Outcome, ProductBatch
from schemas.events.codec import decode, encode
from schemas.events.dead_letter import Headers
from schemas.events.product import Product
from streams.intake.packer import PackedBatch, SourceEvent, pack

START = datetime(2026, 1, 1, tzinfo=UTC)


def event(offset: int, value: bytes | None, key: bytes | None = None) -> SourceEvent:
    return SourceEvent(offset, 1_000 + offset, key, value, [])


def product(offset: int, product_id: str, minutes: int | None = None) -> SourceEvent:
    updated_at = None if minutes is None else START + timedelta(minutes=minutes)
    value = encode(Product(product_id=product_id, title=f"lamp {offset}", updated_at=updated_at))
    return event(offset, value, product_id.encode())


def kept(batch: PackedBatch) -> list[int]:
    return [item.offset for item in batch.message.products]


def superseded(batch: PackedBatch) -> list[int]:
    return [item.offset for item in batch.message.settled if item.outcome is Outcome.SUPERSEDED]


def test_the_id_of_a_batch_depends_on_its_place_alone() -> None:
    one, two = pack("t", 3, [product(7, "a"), product(9, "b")]), pack("t", 3, [product(7, "c"), product(9, "d")])
    assert one.message.batch_id == two.message.batch_id == "991b7d20-7b67-5982-a1bb-9585f5bedd8e"
    others = [pack("u", 3, [product(7, "a"), product(9, "b")]), pack("t", 3, [product(7, "a")])]
    assert len({batch.message.batch_id for batch in [one, *others]}) == 3


def test_the_last_of_rapid_edits_wins() -> None:
    batch = pack("t", 0, [product(1, "a"), product(2, "b"), product(3, "a")])
    assert (kept(batch), superseded(batch)) == ([2, 3], [1])


def test_an_edit_published_late_does_not_win_over_a_newer_one() -> None:
    batch = pack("t", 0, [product(1, "a", minutes=9), product(2, "a", minutes=3)])
    assert (kept(batch), superseded(batch)) == ([1], [2])


def test_a_tombstone_wins_over_the_edits_before_it() -> None:
    batch = pack("t", 0, [product(1, "a"), event(2, None, b"a")])
    assert (kept(batch), superseded(batch)) == ([2], [1])
    assert bytes(batch.message.products[0].product) == b"null"


def test_a_tombstone_and_a_dated_edit_both_travel_since_earlier_events_tell_which_stands() -> None:
    edits = [product(1, "a"), product(2, "a", minutes=3), event(3, None, b"a"), product(4, "a", minutes=5)]
    batch = pack("t", 0, edits)
    assert (kept(batch), superseded(batch)) == ([3, 4], [1, 2])


def test_a_copy_of_an_older_event_does_not_win_over_an_edit_in_its_batch() -> None:
    headers: Headers = [("shelfwise-original-offset", b"3"), ("shelfwise-dead-letter-attempt", b"2")]
    edit = SourceEvent(8, 0, b"p", b'{"product_id":"p","title":"new"}', [])
    copy = SourceEvent(9, 0, b"p", b'{"product_id":"p","title":"old"}', headers)
    batch = pack("t", 0, [edit, copy]).message
    assert [item.offset for item in batch.products] == [8]
    (alone,) = pack("t", 0, [copy]).message.products
    assert (alone.offset, alone.original_offset, alone.first_offset, alone.attempt) == (9, 3, 3, 2)


def test_a_value_travels_byte_for_byte() -> None:
    value = b'{ "product_id" : "a",\n "title": "caf\\u00e9", "unknown": [1, 2.50] }'
    batch = pack("t", 3, [event(7, value, b"a")])
    again = decode(encode(batch.message), ProductBatch)
    assert bytes(again.products[0].product) == value


@pytest.mark.parametrize(
    ("value", "key", "reason"),
    [
        (b'{"product_id": "a", "tit', b"a", "malformed_json"),
        (b'{"product_id": "a", "title": "\xff"}', b"a", "invalid_utf8"),
        (b'{"title": "lamp"}', b"a", "missing_field"),
        (b'{"product_id": "a", "title": 3}', b"a", "wrong_type"),
        (b'{"product_id": "a", "title": " "}', b"a", "empty_title"),
        (b'{"product_id": "a", "title": "lamp"}', b"b", "key_mismatch"),
        (b"null", b"a", "wrong_type"),
        (b'"' + b"x" * 1_100_000 + b'"', b"a", "too_large"),
        (None, None, "missing_key"),
        (b'{"product_id": "a", "title": "lamp"}', None, "missing_key"),
        (b"", b"a", "malformed_json"),
        (None, b"", "missing_key"),
        (None, b"\xff", "invalid_utf8"),
        (None, b"x" * 257, "out_of_bounds"),
    ],
)
def test_a_bad_event_is_rejected_with_its_reason(value: bytes | None, key: bytes | None, reason: str) -> None:
    batch = pack("t", 0, [event(1, value, key), product(2, "good")])
    assert [(item.event.offset, item.error.reason) for item in batch.rejected] == [(1, reason)]
    assert kept(batch) == [2]


@pytest.mark.parametrize("value", [b"{", b'{"product_id": "a", "title": " "}', b"null"])
def test_a_bad_event_does_not_keep_its_batch_in_memory_until_the_garbage_collector_runs(value: bytes) -> None:
    class Held(list[tuple[str, bytes]]):
        """A list that may be referred to weakly."""

    headers = Held()
    held = weakref.ref(headers)
    gc.disable()
    try:
        batch = pack("t", 0, [event(1, value, b"a"), product(2, "good")._replace(headers=headers)])
        assert len(batch.rejected) == 1
        del batch, headers
        assert held() is None
    finally:
        gc.enable()


events = st.lists(
    st.one_of(
        st.tuples(st.sampled_from("abc"), st.none() | st.integers(0, 5)),
        st.just(("bad", None)),
        st.just(("gone", None)),
    ),
    min_size=1,
    max_size=30,
)


@given(events)
def test_each_event_has_one_place_and_a_product_an_undated_and_a_dated_event_at_most(
    drawn: list[tuple[str, int | None]],
) -> None:
    built = []
    for offset, (name, minutes) in enumerate(drawn, start=10):
        if name == "bad":
            built.append(event(offset, b"{", None))
        elif name == "gone":
            built.append(event(offset, None, b"a"))
        else:
            built.append(product(offset, name, minutes))
    batch = pack("t", 0, built)
    settled = [item.offset for item in batch.message.settled]
    assert sorted(kept(batch) + settled) == [item.offset for item in built]
    kinds = [(item.product_id, b"updated_at" in bytes(item.product)) for item in batch.message.products]
    assert len(kinds) == len(set(kinds))
    assert kept(batch) == sorted(batch.originals)
    msgspec.json.decode(encode(batch.message), type=ProductBatch)
