"""The demo's feed, in a thread: the held-out products at an even rate, and a broken event now and then."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from itertools import cycle
from threading import Event, Thread
from typing import Final

from confluent_kafka import KafkaError, Message, Producer

from schemas.events.product import Product
from streams.clients.feed import Feed
from streams.demo.scoreboard import Scoreboard

# Real feeds contain such events; each must become a dead letter with its reason, and stop nothing.
_BROKEN: Final = (
    b'{"product_id": "broken", "title": "Cut off in the mid',
    b'{"product_id": "broken", "title": ""}',
    b'{"product_id": "broken", "title": 5}',
    b'{"title": "No product id"}',
    b'{"product_id": "broken", "title": "Bad \xff\xfe bytes"}',
)
_ONE_BROKEN_IN: Final = 200


class DemoFeed:
    """Publishes until it is stopped, until ``seconds`` have passed, or until all products are sent."""

    def __init__(
        self, producer: Producer, topic: str, products: list[Product], rate: float, seconds: float
    ) -> None:
        self.failure: BaseException | None = None
        self.broken = 0
        self._producer = producer
        self._topic = topic
        self._products = products
        self._seconds = seconds
        self._stop = Event()
        self._feed = Feed(producer, topic, rate=rate)
        self._thread = Thread(target=self._guarded, name="demo-feed", daemon=True)

    @property
    def published(self) -> int:
        """The number of events that the broker has acknowledged."""
        return self._feed.report.acknowledged + self.broken

    @property
    def running(self) -> bool:
        """Whether the feed may still publish events."""
        return self._thread.is_alive()

    def start(self, board: Scoreboard) -> None:
        """Start publishing, and record the publication times in ``board``."""
        self._board = board
        self._thread.start()

    def stop(self) -> None:
        """Stop publishing, and wait until everything sent is acknowledged or refused."""
        self._stop.set()
        self._thread.join()

    def _guarded(self) -> None:
        try:
            self._run()
        except BaseException as error:
            # The main thread raises it: an error that is raised here would go unnoticed.
            self.failure = error

    def _run(self) -> None:
        until = time.monotonic() + self._seconds
        broken: Iterator[bytes] = cycle(_BROKEN)
        for number, product in enumerate(self._products, 1):
            if self._stop.is_set() or time.monotonic() >= until:
                break
            self._board.published_ms[product.product_id] = time.time_ns() // 1_000_000
            self._feed.publish(product)
            if number % _ONE_BROKEN_IN == 0:
                self._producer.produce(self._topic, key=b"broken", value=next(broken), on_delivery=self._count)
        self._feed.flush()

    def _count(self, error: KafkaError | None, _message: Message) -> None:
        self.broken += error is None


def wait_for(condition: Callable[[], bool], seconds: float, pause: Callable[[], None]) -> bool:
    """Call ``pause`` until the condition holds or the time is over; return whether it holds."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() >= deadline:
            return False
        pause()
    return True
