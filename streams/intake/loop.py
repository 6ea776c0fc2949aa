"""Intake's loop: one consumer, one producer, one thread."""

from __future__ import annotations

import logging
import time
from collections import Counter
from threading import Event
from typing import Final

from confluent_kafka import OFFSET_END, Consumer, KafkaException, Message, TopicPartition

from schemas.errors import InvalidEvent, KafkaUnavailable
from schemas.events.batch import BatchCompleted, Outcome
from schemas.events.codec import decode
from schemas.topics import BATCHES_COMPLETED, PRODUCTS_CHANGED
from streams.health import Health
from streams.intake.offsets import Offsets
from streams.intake.outbox import STAGE, Outbox
from streams.intake.packer import PackedBatch, SourceEvent
from streams.intake.partition import PartitionIntake
from streams.intake.window import Window
from streams.metrics import Metrics
from streams.settings import Settings

logger = logging.getLogger(__name__)

ASSIGNED: Final = "intake partitions assigned"
_IDLE_SECONDS: Final = 0.1
_MESSAGES_A_TURN: Final = 2_000
_BROKER_SECONDS: Final = 10.0


class Intake:
    """Follows every event of its partitions until it has an outcome, and only then commits it.

    Both topics are assigned by ``range``: with equal numbers of partitions a member gets the same numbers of both,
    so the completion of a batch comes back to whoever sent it.
    """

    def __init__(self, settings: Settings, metrics: Metrics, health: Health) -> None:
        self._settings = settings
        self._metrics = metrics
        self._health = health
        self._products = settings.topic(PRODUCTS_CHANGED)
        self._completed = settings.topic(BATCHES_COMPLETED)
        self._partitions: dict[int, PartitionIntake] = {}
        self._offsets = Offsets(self._products, metrics)
        self._outbox = Outbox(settings, metrics)
        self._consumer = Consumer(
            settings.kafka.consumer_config(
                settings.group("intake"),
                {
                    "client.id": "shelfwise-intake",
                    "partition.assignment.strategy": "range",
                    "session.timeout.ms": int(settings.session_timeout_seconds * 1000),
                    "heartbeat.interval.ms": int(settings.session_timeout_seconds * 1000 / 4),
                    "on_commit": self._offsets.on_commit,
                    "log_level": 3,
                },
            )
        )

    def run(self, stop: Event) -> None:
        """Work until ``stop`` is set, then drain; raises :class:`KafkaUnavailable` on what cannot heal."""
        self._health.watch(STAGE, self._settings.stall_seconds)
        self._consumer.subscribe(
            [self._products, self._completed],
            on_assign=self._on_assign,
            on_revoke=self._on_revoke,
            on_lost=self._on_lost,
        )
        try:
            while not stop.is_set():
                self._turn(self._read())
                self._pack()
            self._drain()
        finally:
            # Leaves the group: others need not wait for the session to time out.
            self._consumer.close()
            self._health.forget(STAGE)

    def _read(self) -> list[Message]:
        # Asked for many, consume() waits its whole time for them: only where waiting fills batches.
        linger = max(self._settings.linger_ms / 1000, 0.001)
        if any(not state.idle for state in self._partitions.values()):
            return list(self._consumer.consume(_MESSAGES_A_TURN, linger))
        first = self._consumer.poll(_IDLE_SECONDS)
        return [] if first is None else [first, *self._consumer.consume(_MESSAGES_A_TURN, linger)]

    def _turn(self, messages: list[Message]) -> None:
        self._health.beat(STAGE)
        for message in messages:
            self._take(message)
        self._outbox.poll()
        for state in self._partitions.values():
            self._settle(state)
        self._offsets.turn(self._consumer, self._partitions)

    def _pack(self) -> None:
        for state in self._partitions.values():
            for item in state.window.due():
                self._outbox.send_again(item)
            while (batch := self._next(state)) is not None:
                self._outbox.open(state.window.open(batch))
            self._steer(state)

    def _next(self, state: PartitionIntake) -> PackedBatch | None:
        started = time.monotonic()
        batch = state.next_batch()
        if batch is not None:
            self._metrics.stage_finished(STAGE, time.monotonic() - started, len(batch.message.products))
        return batch

    def _take(self, message: Message) -> None:
        if (error := message.error()) is not None:
            if error.fatal():
                raise KafkaUnavailable(f"intake can read no more: {error.str()}; the worker must start anew")
            logger.warning("intake: %s", error.str())
            return
        state = self._partitions.get(message.partition())
        if state is None:
            return
        if message.topic() == self._completed:
            self._complete(state, message.value())
            return
        self._metrics.events_received(1)
        state.add(
            SourceEvent(
                message.offset(),
                message.timestamp()[1],
                message.key(),
                message.value(),
                lambda: message.headers() or [],
            )
        )

    def _complete(self, state: PartitionIntake, value: bytes | None) -> None:
        try:
            completed = decode(value, BatchCompleted)
            item = state.window.complete(completed.batch_id, completed.outcomes)
        except (InvalidEvent, ValueError) as error:
            logger.warning("a completion is ignored: %s", error)
            return
        if item is not None:
            self._outbox.bury_failed(item)

    def _settle(self, state: PartitionIntake) -> None:
        for item in state.window.settle():
            counts = Counter(outcome.outcome for outcome in item.outcomes or ())
            counts[Outcome.DEAD_LETTER] += counts.pop(Outcome.FAILED, 0)
            self._metrics.outcomes(counts)
            self._offsets.finished(state.partition, item.batch.last_offset + 1)

    def _steer(self, state: PartitionIntake) -> None:
        here = [TopicPartition(self._products, state.partition)]
        if state.reading and state.overfull:
            self._consumer.pause(here)
            state.reading = False
        elif not state.reading and state.hungry:
            self._consumer.resume(here)
            state.reading = True

    def _drain(self) -> None:
        deadline = time.monotonic() + self._settings.drain_seconds
        for state in self._partitions.values():
            self._consumer.pause([TopicPartition(self._products, state.partition)])
            state.drop_backlog()
        while any(len(state.window) for state in self._partitions.values()) and time.monotonic() < deadline:
            messages = self._consumer.consume(_MESSAGES_A_TURN, _IDLE_SECONDS / 10)
            self._turn([message for message in messages if message.topic() == self._completed])
        left = sum(len(state.window) for state in self._partitions.values())
        logger.info("intake has drained; %d batches are left to the next owner", left)
        self._offsets.commit(self._consumer, asynchronous=False)

    def _on_assign(self, consumer: Consumer, assigned: list[TopicPartition]) -> None:
        for item in assigned:
            if item.topic == self._completed:
                item.offset = self._end(consumer, item)
            else:
                self._partitions[item.partition] = self._state(item.partition)
        consumer.assign(assigned)
        logger.info("intake owns partitions %s", sorted(self._partitions))
        self._health.condition(ASSIGNED, ready=True)

    def _state(self, partition: int) -> PartitionIntake:
        settings = self._settings
        window = Window(settings.window_batches, settings.completion_timeout_seconds, time.monotonic)
        return PartitionIntake(self._products, partition, settings.batch_products, window)

    @staticmethod
    def _end(consumer: Consumer, item: TopicPartition) -> int:
        # Asked for now: "the end" as librdkafka understands it is found only when it first fetches, perhaps after
        # the first completions. Missing those would only cost a resend.
        try:
            return int(consumer.get_watermark_offsets(item, timeout=_BROKER_SECONDS)[1])
        except KafkaException:
            return OFFSET_END

    def _on_revoke(self, consumer: Consumer, _revoked: list[TopicPartition]) -> None:
        for state in self._partitions.values():
            self._settle(state)
        self._offsets.commit(consumer, asynchronous=False)
        self._forget(consumer)

    def _on_lost(self, consumer: Consumer, _lost: list[TopicPartition]) -> None:
        self._offsets.forget()
        self._forget(consumer)

    def _forget(self, consumer: Consumer) -> None:
        # What is in flight is dropped: it is not committed, so its next owner reads and decides it again.
        for number in self._partitions:
            self._metrics.partition_revoked(self._products, number)
        self._partitions.clear()
        self._health.condition(ASSIGNED, ready=False)
        consumer.unassign()
