"""What the broker refuses of a replay."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from confluent_kafka import KafkaError

from schemas.events.codec import encode
from schemas.events.product import Product
from streams.clients.partition_reader import PublishedEvent
from streams.replay import replay as module
from streams.replay.replay import Replay
from streams.replay.span import Span

EVENTS = [
    PublishedEvent(0, offset, name, encode(Product(product_id=name.decode(), title="Cup")), [])
    for offset, name in enumerate([b"a", b"b", b"c", b"d"])
]


class Reader:
    def __init__(self, _consumer: Any, _topic: str, _partition: int, first: int) -> None:
        self._next = first

    def end(self) -> int:
        return len(EVENTS)

    def read_to(self, last: int) -> Iterator[PublishedEvent]:
        start, self._next = self._next, max(last, self._next)
        yield from EVENTS[start:last]


class Refusing:
    """A producer whose broker refuses the events of one product."""

    def produce(self, _topic: str, *, key: bytes, on_delivery: Callable[..., None], **_: Any) -> None:
        on_delivery(KafkaError(KafkaError.MSG_SIZE_TOO_LARGE) if key == b"b" else None, self)

    def key(self) -> bytes:
        return b"b"

    def topic(self) -> str:
        return "products"

    def poll(self, _seconds: float) -> int:
        return 0

    def flush(self, _seconds: float) -> int:
        return 0


class Offsets(list[int]):
    """Up to where the watcher heard that all is done."""

    def scanning(self, _span: Span, _offset: int) -> None:
        pass

    def replayed(self, _span: Span, next_offset: int) -> None:
        self.append(next_offset)


def test_a_replay_that_is_taken_up_again_begins_with_what_the_broker_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "PartitionReader", Reader)
    producer: Any = Refusing()
    consumer: Any = None
    done = Offsets()
    # Chunks of one event each.
    report = Replay("t", consumer, consumer, producer, rate=4.0).run([Span(0, 0, 4)], done)
    assert (report.counts()["replayed"], report.failed) == (3, 1)
    assert done == [1]
