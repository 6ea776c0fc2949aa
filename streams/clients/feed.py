"""Publish products as events."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import count
from typing import Final, Self
from uuid import uuid4

import msgspec
from confluent_kafka import KafkaError, KafkaException, Message, Producer

from schemas.errors import InvalidProducts, ShelfwiseError
from schemas.events import cloudevents
from schemas.events.cloudevents import EventType
from schemas.events.codec import encode
from schemas.events.product import Product
from streams.kafka.errors import of_topic
from streams.outgoing import Outgoing, flush

SOURCE: Final = "urn:shelfwise:publish"


@dataclass(slots=True)
class FeedReport:
    """How many events of a feed were sent, acknowledged by the broker, and refused by it."""

    sent: int = 0
    acknowledged: int = 0
    failed: int = 0
    first_error: str | None = None

    @property
    def outstanding(self) -> int:
        """Events that still await acknowledgement."""
        return self.sent - self.acknowledged - self.failed


class Feed:
    """Publishes products on one topic, keyed by product id, at most ``rate`` events per second.

    Raises :class:`ShelfwiseError` if the broker does not let us send anything.
    """

    def __init__(self, producer: Producer, topic: str, *, rate: float | None = None) -> None:
        self.report = FeedReport()
        self._producer = producer
        self._topic = topic
        self._pace = Pace(rate, time.monotonic) if rate else None
        self._closed = False

    def publish(self, product: Product) -> None:
        """Publish a changed product; waits if the rate or the producer's full queue requires it."""
        self._send(product.product_id, encode(product), EventType.PRODUCT_CHANGED)

    def remove(self, product_id: str) -> None:
        """Publish the removal of a product, a tombstone."""
        self._send(product_id, None, EventType.PRODUCT_REMOVED)

    def flush(self) -> FeedReport:
        """Wait until every event is acknowledged or refused."""
        flush(self._producer)
        return self.report

    def _send(self, product_id: str, value: bytes | None, kind: EventType) -> None:
        if self._pace:
            self._pace.wait(self._producer.poll)
        headers = cloudevents.headers(kind, str(uuid4()), subject=product_id, source=SOURCE)
        message = Outgoing(self._topic, product_id.encode(), value, headers)
        try:
            message.produce_in_turn(self._producer, self._delivered)
        except KafkaException as error:
            problem = error.args[0].str()
            raise ShelfwiseError(
                f"nothing can be sent to {self._topic}: {problem}; may it be written to?"
            ) from None
        self.report.sent += 1
        self._producer.poll(0)

    def _delivered(self, error: KafkaError | None, message: Message) -> None:
        if error is None:
            self.report.acknowledged += 1
            return
        self.report.failed += 1
        key = (message.key() or b"").decode(errors="replace")
        problem = of_topic(error, self._topic).str()
        self.report.first_error = self.report.first_error or f"product {key!r}: {problem}"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.flush()


class Pace:
    """Limits events to ``rate`` per second, evenly spaced; after a delay it does not rush to catch up."""

    def __init__(self, rate: float, clock: Callable[[], float]) -> None:
        self._interval = 1 / rate
        self._clock = clock
        self._next = clock()

    def wait(self, sleep: Callable[[float], object]) -> None:
        """Call ``sleep(seconds)`` until the next event is due."""
        while (delay := self._next - self._clock()) > 0:
            sleep(delay)
        # Catch up on at most half a second, so that a delay causes no burst.
        self._next = max(self._next + self._interval, self._clock() - 0.5)


def passes(products: Callable[[], Iterable[Product]], *, loop: bool, fresh_ids: bool = True) -> Iterator[Product]:
    """Yield the products once, or forever with ``loop``; ``fresh_ids`` gives further passes new product ids.

    Unchanged products need no new decision, so a loop with the same ids would cause no decisions. Raises
    :class:`InvalidProducts` if there is no product to loop over.
    """
    for number in count(1):
        found = False
        for product in products():
            found = True
            if number > 1 and fresh_ids:
                yield msgspec.structs.replace(product, product_id=f"{product.product_id[:240]}~{number}")
            else:
                yield product
        if not loop:
            return
        if not found:
            raise InvalidProducts("there is no product to publish again and again: name a file that has some")
