"""Read topics from their beginning into memory, and then follow them."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from math import inf
from threading import Event, Thread
from typing import Any, Final

from confluent_kafka import OFFSET_BEGINNING, Consumer, TopicPartition

from schemas.errors import InvalidSettings
from streams.kafka.errors import log_or_raise
from streams.kafka.watermarks import watermarks
from streams.settings import Settings

MessageHandler = Callable[[Any], None]
"""Processes a message; raises :class:`schemas.errors.InvalidSettings` if nothing on the topic can be used."""

# Installations with access control name it in their rights.
GROUP: Final = "statistics-view"
_READ_AT_ONCE: Final = 1_000
_TIMEOUT_SECONDS: Final = 10.0
_log = logging.getLogger(__name__)


class Follower:
    """Passes each message of all partitions of some topics to the topic's handler, in a thread.

    A Faust GlobalTable is not used: it processes each record on the event loop, some 6,000 records a second.
    """

    def __init__(self, settings: Settings, handlers: Mapping[str, MessageHandler]) -> None:
        """``handlers`` maps topic names to their handlers."""
        self._handlers = handlers
        self._partitions = settings.partitions
        self._consumer = Consumer(settings.kafka.consumer_config(settings.group(GROUP)), logger=_log)
        self._stopped = Event()
        self._caught_up = Event()
        self.failure: BaseException | None = None
        self._thread = Thread(target=self._run, name="shelfwise-follower", daemon=True)

    def start(self) -> None:
        """Start reading, in a thread; :meth:`await_caught_up` waits for everything that was there at the start."""
        self._thread.start()

    def await_caught_up(self) -> None:
        """Return when everything that was there at the start has been read, or reading has ended."""
        self._caught_up.wait()

    def join(self) -> None:
        """Return when reading has ended."""
        self._thread.join()

    def stop(self) -> None:
        """Stop reading."""
        self._stopped.set()
        if self._thread.is_alive():
            self._thread.join(_TIMEOUT_SECONDS)

    def _run(self) -> None:
        try:
            self._read()
        except InvalidSettings as error:
            _log.error("what was learned cannot be used: %s", error)
            self.failure = error
        except BaseException as error:  # the worker checks ``failure`` and ends
            _log.exception("what was learned can no longer be read")
            self.failure = error
        finally:
            self._caught_up.set()
            self._consumer.close()

    def _read(self) -> None:
        partitions = [
            TopicPartition(topic, number, OFFSET_BEGINNING)
            for topic in self._handlers
            for number in range(self._partitions)
        ]
        missing = self._ends(partitions)
        self._consumer.assign(partitions)
        while not self._stopped.is_set():
            if missing:
                self._drop_reached(missing)
            elif not self._caught_up.is_set():
                self._caught_up.set()
            for message in self._consumer.consume(_READ_AT_ONCE, timeout=0.1):
                if message.error() is None:
                    self._handlers[message.topic()](message)
                else:
                    log_or_raise(message.error(), message, "what was learned", _log)

    def _ends(self, partitions: list[TopicPartition]) -> dict[tuple[str, int], int]:
        found = {}
        for partition in partitions:
            low, high = watermarks(
                self._consumer, partition, _TIMEOUT_SECONDS, patience_seconds=inf, stopped=self._stopped
            )
            if high > low:
                found[partition.topic, partition.partition] = high
        return found

    def _drop_reached(self, missing: dict[tuple[str, int], int]) -> None:
        waiting = [TopicPartition(*partition) for partition in missing]
        for position in self._consumer.position(waiting):
            # The offset is below zero while nothing of the partition has been read.
            if position.offset >= missing[position.topic, position.partition]:
                del missing[position.topic, position.partition]
