"""Read decisions and verdicts, and send them in batches to the learning agent."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from threading import Event, Thread
from typing import Final
from uuid import uuid4

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from schemas.events.cloudevents import EventType, headers
from schemas.events.codec import encode
from schemas.topics import CATEGORIES_ASSIGNED, CATEGORIES_NEEDS_REVIEW, LEARNING_BATCHED, REVIEWS_DECIDED
from streams.health import Health
from streams.kafka.errors import log_or_raise
from streams.learning.packer import pack
from streams.metrics import Metrics
from streams.outgoing import Outgoing
from streams.sender import Sender
from streams.settings import Settings
from workers.learning import Source

GROUP: Final = "learning-reader"
_NAME: Final = "learning reader"
_IDLE_SECONDS: Final = 0.1
# A key's statistics are written whole at every change: the more changes at once, the fewer writes.
_FILL_SECONDS: Final = 0.5
_MESSAGES_A_TURN: Final = 2_000
# Each fetch answer costs the broker and us half a millisecond, so it comes only when it is large enough, or time
# is up.
_FETCHES: Final = {"fetch.wait.max.ms": 250, "fetch.min.bytes": 1 << 20}
_STOP_SECONDS: Final = 10.0
_MOST_PAUSE_SECONDS: Final = 5.0
_REPORT_SECONDS: Final = 5.0
_log = logging.getLogger(__name__)


def learning_sources(settings: Settings) -> dict[str, Source]:
    """Return the names of the topics to learn from, and what each holds."""
    return {
        settings.topic(CATEGORIES_ASSIGNED): "assigned",
        settings.topic(CATEGORIES_NEEDS_REVIEW): "needs_review",
        settings.topic(REVIEWS_DECIDED): "verdict",
    }


class LearningReader:
    """A consumer, a producer and a thread; offsets are committed when the broker has the batches made of them.

    A batch goes to the partition number of its messages, because the tables are partitioned by product like the
    topics. Messages that are sent again after a crash or a rebalance are recognised by their offsets. ``failure``
    is what ended the thread early, if anything did.
    """

    def __init__(self, settings: Settings, health: Health, metrics: Metrics) -> None:
        self._settings = settings
        self._health = health
        self._metrics = metrics
        self._reported_at = 0.0
        self._sources = learning_sources(settings)
        self._topic = settings.topic(LEARNING_BATCHED)
        self._sender = Sender(settings.kafka, GROUP)
        self._consumer = Consumer(settings.member_config(GROUP, _FETCHES), logger=_log)
        self._read: dict[tuple[str, int], int] = {}
        self._stopped = Event()
        self.failure: BaseException | None = None
        self._thread = Thread(target=self._run, name="shelfwise-learning", daemon=True)

    def start(self) -> None:
        """Start reading, in a thread."""
        self._thread.start()

    def stop(self) -> None:
        """Send what was read, commit it, and stop."""
        self._stopped.set()
        if self._thread.is_alive():
            self._thread.join(_STOP_SECONDS)

    def _run(self) -> None:
        self._health.watch(_NAME, self._settings.stall_seconds)
        try:
            self._consumer.subscribe(list(self._sources), on_revoke=self._on_revoke, on_lost=self._on_lost)
            while not self._stopped.is_set():
                self._health.beat(_NAME)
                if messages := self._messages():
                    self._send(messages)
                self._report()
        except BaseException as error:  # the worker checks ``failure`` and ends
            _log.exception("decisions and verdicts can no longer be read")
            self.failure = error
        finally:
            self._commit()
            self._consumer.close()
            self._health.forget(_NAME)

    def _messages(self) -> list[Message]:
        # consume() waits its whole timeout if it is asked for many messages.
        first = self._consumer.poll(_IDLE_SECONDS)
        if first is None:
            return []
        found = []
        for message in (first, *self._consumer.consume(_MESSAGES_A_TURN, _FILL_SECONDS)):
            if (error := message.error()) is None:
                found.append(message)
            else:
                log_or_raise(error, message, "decisions and verdicts", _log)
        return found

    def _report(self) -> None:
        """Report every few seconds how much is unread, as far as that is known without asking the broker."""
        if time.monotonic() - self._reported_at < _REPORT_SECONDS:
            return
        self._reported_at = time.monotonic()
        unread = 0
        for place in self._consumer.position(self._consumer.assignment()):
            _, end = self._consumer.get_watermark_offsets(place, cached=True)
            unread += max(end - place.offset, 0) if place.offset >= 0 else 0
        self._metrics.learning_unread(unread)

    def _send(self, messages: Sequence[Message]) -> None:
        """Send batches of the messages, which are committed only when all batches have arrived."""
        batches = pack(messages, self._sources, self._settings.learning_min_confidence)
        missing = [
            Outgoing(
                self._topic,
                None,
                encode(batch),
                headers(EventType.LEARNING_BATCHED, str(uuid4())),
                batch.partition,
            )
            for batch in batches
        ]
        pause = _IDLE_SECONDS
        while missing := self._not_arrived(missing):
            if self._stopped.wait(pause):
                return
            pause = min(2 * pause, _MOST_PAUSE_SECONDS)
        for message in messages:
            self._read[message.topic() or "", message.partition() or 0] = (message.offset() or 0) + 1
        self._commit(asynchronous=True)

    def _not_arrived(self, outgoing: Sequence[Outgoing]) -> list[Outgoing]:
        """Send the messages, wait, and return those that the broker does not have."""
        under_way = dict(enumerate(outgoing))
        failed: list[Outgoing] = []
        refused: KafkaError | None = None

        def arrived(number: int, error: KafkaError | None) -> None:
            nonlocal refused
            message = under_way.pop(number)
            if error is not None:
                refused = error
                failed.append(message)

        for number, message in enumerate(outgoing):
            self._sender.send(message, partial(arrived, number))
        while under_way and not self._stopped.is_set():
            self._health.beat(_NAME)
            self._report()
            self._sender.poll(_IDLE_SECONDS)
        if refused is not None:
            _log.warning(
                "%d batches to learn from did not arrive (%s); they are sent again", len(failed), refused.str()
            )
        if under_way:
            self._sender.flush(_STOP_SECONDS / 2)
        return failed + list(under_way.values())

    def _commit(self, *, asynchronous: bool = False) -> None:
        offsets = [TopicPartition(*place, offset) for place, offset in self._read.items()]
        self._read.clear()
        if offsets:
            with suppress(KafkaException):  # they are read again, and recognised
                self._consumer.commit(offsets=offsets, asynchronous=asynchronous)

    def _on_revoke(self, _consumer: Consumer, _revoked: list[TopicPartition]) -> None:
        self._commit()

    def _on_lost(self, _consumer: Consumer, _lost: list[TopicPartition]) -> None:
        self._read.clear()
