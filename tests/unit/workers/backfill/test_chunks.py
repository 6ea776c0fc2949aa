from __future__ import annotations

import io
from datetime import datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.events.codec import encode
from schemas.events.product import Product, decode_product
from workers.backfill.chunks import Chunk, Numbered, chunks_of
from workers.product_files import ProductFile

# An event's zone is of whole minutes.
ZONES = st.integers(-1_439, 1_439).map(lambda minutes: timezone(timedelta(minutes=minutes)))
PRODUCTS = st.builds(
    Product,
    product_id=st.text(min_size=1, max_size=5),
    title=st.text(min_size=1, max_size=9),
    price=st.none() | st.floats(0, 1e12),
    tags=st.none() | st.text(max_size=9) | st.lists(st.text(max_size=5), max_size=3).map(tuple),
    attributes=st.dictionaries(st.text(max_size=5), st.text(max_size=5), max_size=2),
    updated_at=st.none() | st.datetimes(timezones=ZONES),
)


@given(st.lists(st.builds(Numbered, st.integers(1, 2**62), PRODUCTS)))
def test_products_travel_as_they_are(products: list[Numbered]) -> None:
    assert Chunk.of(products, 0).unpack() == products


@pytest.mark.parametrize("time", ["0001-01-01T00:00:00+10:00", "9999-12-31T23:59:59-10:00"])
def test_a_time_at_the_ends_of_the_calendar_is_one_in_files_as_on_the_stream(time: str) -> None:
    event = b'{"product_id": "1", "title": "Lamp", "updated_at": "%s"}' % time.encode()
    (chunk,) = chunks_of(ProductFile(io.BytesIO(event)), 0)
    (item,) = chunk.unpack()
    assert item.product == decode_product(event)
    assert item.product.updated_at == datetime.fromisoformat(time)
    assert decode_product(encode(item.product)) == item.product
