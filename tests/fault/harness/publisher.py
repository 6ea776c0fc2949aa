"""Publish a stream like a patient feed, whatever happens to the broker."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable
from threading import Event, Thread

from confluent_kafka import KafkaError, Message, Producer

from schemas.topics import PRODUCTS_CHANGED, REVIEWS_DECIDED
from tests.fault.harness.stream import StreamEvent
from tests.worker_harness import Installation, Position

_BEHIND_SECONDS = 0.05
# With a rate, events are sent in bursts: waiting for each event would cost as much as deciding it.
_BURST_SECONDS = 0.02


class Publisher(Thread):
    """Publishes in order, at most ``ahead`` events beyond the committed ones, so that faults hit unfinished work.

    It never publishes more than ``limit`` in total, which the run raises with each fault, so that every fault
    finds events still to come. ``published`` maps positions to product events, unless ``keep`` is false. ``rate``
    is in events per second.
    """

    def __init__(
        self,
        installation: Installation,
        events: Iterable[StreamEvent],
        committed: Callable[[], int],
        *,
        ahead: int = 4_000,
        rate: float | None = None,
        keep: bool = True,
    ) -> None:
        super().__init__(name="publisher", daemon=True)
        self.published: dict[Position, StreamEvent] = {}
        self.failures: list[str] = []
        self.stopped = Event()
        self.sent = 0
        self.limit = math.inf
        self._events = events
        self._committed = committed
        self._ahead = ahead
        self._rate = rate
        self._keep = keep
        self._topics = installation.name(PRODUCTS_CHANGED), installation.name(REVIEWS_DECIDED)
        # Never give up: an outage of the broker delays a feed, but loses none of its events.
        config = {"delivery.timeout.ms": 0, "log_level": 0, "queue.buffering.max.messages": 1_000_000}
        self._producer = Producer(installation.connection.producer_config(config))

    def run(self) -> None:
        """Publish everything."""
        products, reviews = self._topics
        began = time.monotonic()
        for number, event in enumerate(self._events):
            self._wait(number, began)
            if self.stopped.is_set():
                break
            verdict = event.kind == "verdict"
            self._producer.produce(
                reviews if verdict else products,
                key=event.key,
                value=event.value,
                headers=event.headers,
                on_delivery=None if verdict else self._delivered(event),
            )
            self.sent += not verdict
            self._producer.poll(0)
        self._producer.flush()

    def _wait(self, number: int, began: float) -> None:
        if self._rate and (early := began + number / self._rate - time.monotonic()) > 0:
            time.sleep(early + _BURST_SECONDS)
        while number % 100 == 0 and not self.stopped.is_set():
            if self.sent < min(self.limit, self._committed() + self._ahead):
                return
            self._producer.poll(_BEHIND_SECONDS)

    def _delivered(self, event: StreamEvent) -> Callable[[KafkaError | None, Message], None]:
        def callback(error: KafkaError | None, message: Message) -> None:
            if error is None and self._keep:
                self.published[message.partition(), message.offset()] = event
            elif error is not None:
                self.failures.append(error.str())

        return callback
