from __future__ import annotations

from itertools import islice
from typing import Any

import pytest
from confluent_kafka import KafkaError, KafkaException
from hypothesis import given
from hypothesis import strategies as st

from schemas.errors import ShelfwiseError
from schemas.events.product import Product
from streams.clients.feed import Feed, Pace, passes
from tests.clock import Clock


@given(rate=st.floats(0.1, 1_000), work=st.lists(st.floats(0, 3), min_size=1, max_size=60))
def test_a_feed_is_never_faster_than_its_rate_over_its_whole_run(rate: float, work: list[float]) -> None:
    clock = Clock()
    pace = Pace(rate, clock)
    for seconds in work:
        pace.wait(clock.sleep)
        clock.now += seconds
    pace.wait(clock.sleep)
    assert clock.now >= len(work) / rate - 1e-6 * len(work)


def test_after_a_long_stop_a_feed_makes_up_for_half_a_second_at_most(clock: Clock) -> None:
    pace = Pace(10, clock)
    pace.wait(clock.sleep)
    clock.now += 1_000
    resumed = clock.now
    for _ in range(100):
        pace.wait(clock.sleep)
    assert clock.now - resumed >= 9.0


def products() -> list[Product]:
    return [Product(product_id=name, title="Cup") for name in ("a", "b")]


def test_a_file_is_fed_once_unless_looped() -> None:
    assert [item.product_id for item in passes(products, loop=False)] == ["a", "b"]


def test_each_further_pass_brings_new_products_unless_told_to_keep_the_ids() -> None:
    fresh = islice(passes(products, loop=True), 6)
    assert [item.product_id for item in fresh] == ["a", "b", "a~2", "b~2", "a~3", "b~3"]
    same = islice(passes(products, loop=True, fresh_ids=False), 4)
    assert [item.product_id for item in same] == ["a", "b", "a", "b"]


def test_a_new_id_of_the_longest_id_is_within_bounds() -> None:
    longest = Product(product_id="x" * 256, title="Cup")
    second = list(islice(passes(lambda: [longest], loop=True), 2))[1]
    assert len(second.product_id) <= 256


def test_a_topic_that_may_not_be_written_to_is_named() -> None:
    class Refusing:
        def produce(self, *_arguments: object, **_named: object) -> None:
            raise KafkaException(KafkaError(KafkaError.TOPIC_AUTHORIZATION_FAILED))

    producer: Any = Refusing()
    with pytest.raises(ShelfwiseError, match=r"nothing can be sent to products: .*uthorization failed"):
        Feed(producer, "products").publish(Product(product_id="1", title="Lamp"))
