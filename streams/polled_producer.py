"""An idempotent producer for an event loop; its own thread processes the acknowledgements."""

from __future__ import annotations

import logging
from threading import Event, Thread
from typing import Any, Final

from confluent_kafka import KafkaError, KafkaException, Producer

from streams.kafka.connection import KafkaConnection

_log = logging.getLogger(__name__)
_POLL_SECONDS: Final = 0.1


class PolledProducer:
    """Sends messages in order and never gives one up, whatever the broker does.

    Callbacks run in the producer's thread, in the order of deliveries. ``failure`` is what ended it for good, if
    anything did; the worker checks it, and ends.
    """

    def __init__(self, connection: KafkaConnection, name: str) -> None:
        config = {"delivery.timeout.ms": 0, "error_cb": self._on_error, "queue.buffering.max.kbytes": 262_144}
        self.producer: Any = Producer(connection.producer_config(config), logger=_log)
        self.failure: BaseException | None = None
        self._stopped = Event()
        self._thread = Thread(target=self._poll, name=f"shelfwise-{name}", daemon=True)
        self._thread.start()

    def close(self, seconds: float) -> int:
        """Wait at most ``seconds`` for what is queued, stop, and return how many messages are left behind."""
        # Stop the thread first: if two threads received deliveries, these could change order.
        self._stopped.set()
        self._thread.join()
        return int(self.producer.flush(seconds))

    def _poll(self) -> None:
        while not self._stopped.is_set():
            try:
                self.producer.poll(_POLL_SECONDS)
            except KafkaException as error:  # the producer has failed for good
                self.failure = error
                _log.error("producer: %s", error)
                return

    def _on_error(self, error: KafkaError) -> None:
        _log.warning("producer: %s", error.str())
