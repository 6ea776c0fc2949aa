"""What is asked of the model and what it answers arrive as they were sent."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

from hypothesis import example, given
from hypothesis import strategies as st

from schemas.events.batch import CandidateProduct, EventOutcome, Outcome, RecalledBatch
from schemas.events.product import Affiliate, Product
from streams.model_process.messages import (
    LENGTH_BYTES,
    Decided,
    Ranked,
    RecallRequest,
    Undecided,
    decode_reply,
    decode_request,
    framed_reply,
    framed_request,
)
from streams.outgoing import Outgoing

# What JSON can hold: no half of a surrogate pair.
_TEXTS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20)
_HOURS = [timezone(timedelta(hours=hours)) for hours in (-9, 0, 5)]
# Some lie before the year 1 in UTC, and some after 9999.
_TIMES = st.datetimes(timezones=st.sampled_from(_HOURS))
_PRODUCTS = st.builds(
    Product,
    product_id=_TEXTS,
    title=_TEXTS,
    brand=st.none() | _TEXTS,
    stores=st.lists(_TEXTS, max_size=3).map(tuple),
    tags=st.none() | _TEXTS | st.lists(_TEXTS, max_size=3).map(tuple),
    affiliate=st.none() | st.builds(Affiliate, network=st.none() | _TEXTS),
    price=st.none() | st.floats(0, 1e12),
    attributes=st.dictionaries(_TEXTS, _TEXTS, max_size=2),
    updated_at=st.none() | _TIMES,
)


def _value(frame: bytes) -> bytes:
    assert int.from_bytes(frame[:LENGTH_BYTES], "big") == len(frame) - LENGTH_BYTES
    return frame[LENGTH_BYTES:]


@given(st.lists(_PRODUCTS, max_size=3), _TEXTS)
@example([Product(product_id="p", title="t", updated_at=datetime.fromisoformat("0001-01-01T00:00:00+05:00"))], "b")
def test_a_request_is_read_as_it_was_written(products: list[Product], name: str) -> None:
    batch = RecalledBatch(
        batch_id=name,
        source_topic="s",
        source_partition=0,
        attempt=1,
        model_version="1",
        products=[CandidateProduct.of(product, place) for place, product in enumerate(products)],
        settled=[EventOutcome(7, Outcome.UNCHANGED)],
    )
    request = RecallRequest(3, products, [batch])
    assert decode_request(_value(framed_request(request))) == request


@given(st.binary(max_size=40), st.none() | st.binary(max_size=40), _TEXTS)
def test_a_reply_is_read_as_it_was_written(key: bytes, value: bytes | None, text: str) -> None:
    ranked = Ranked(
        [Outgoing("topic", key, value, [("ce_id", key)])],
        [EventOutcome(1, Outcome.FAILED, text)],
        [1_700_000_000_000],
    )
    reply = Decided(3, [ranked, Undecided(text)], 0.1)
    assert decode_reply(_value(framed_reply(reply))) == reply
