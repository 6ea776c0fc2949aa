"""Intake's loop: one consumer, one producer, one thread."""

from __future__ import annotations

import logging
import time
from collections import Counter
from dataclasses import replace
from threading import Event
from typing import Final

from confluent_kafka import Consumer, Message, TopicPartition

from schemas.errors import InvalidEvent
from schemas.events.batch import BatchCompleted, Outcome
from schemas.events.codec import decode
from schemas.topics import BATCHES_COMPLETED, PRODUCTS_CHANGED
from streams.health import Health
from streams.intake.assignment import Committed, announce, begin, committed, end_offset, first_offset
from streams.intake.circuit import Circuit
from streams.intake.ends import PartitionEnds
from streams.intake.offsets import Offsets
from streams.intake.outbox import STAGE, Outbox
from streams.intake.packer import PackedBatch, SourceEvent
from streams.intake.partition import PartitionIntake
from streams.kafka.errors import log_or_raise
from streams.kafka.headers import headers_of
from streams.local_flow import LocalFlow, ModelDone, News
from streams.lost import LostMessages
from streams.metrics import Metrics
from streams.progress import Mark
from streams.settings import Settings

logger = logging.getLogger(__name__)

ASSIGNED: Final = "intake partitions assigned"
_LOST: Final = "events among them have no outcome: publish these products again"
_IDLE_SECONDS: Final = 0.1
_DRAIN_READ_SECONDS: Final = 0.01
_MESSAGES_A_TURN: Final = 2_000
# Each pause throws away what was fetched but not yet read, so little is fetched ahead. With 16 MiB per partition
# at a time, and up to 64 MiB held, each event of a backlog of 150,000 was fetched 18 times.
#
# fetch.queue.backoff.ms: if something of a partition was still queued here when a fetch was sent, librdkafka asks
# for that partition again 4 ms later. With 10 ms, decisions came 4 ms later too.
#
# fetch.wait.max.ms: one fetch is sent at a time, for the partitions of which nothing was queued when it was sent.
# That may be a single partition, and the others wait until something arrives for it: half a second by librdkafka's
# default. Shorter waits cause more fetches: with 20 ms, decisions came later near capacity
# (docs/throughput-changes.md).
_FETCHES: Final = {
    "queued.min.messages": 1,
    "fetch.message.max.bytes": 262_144,
    "fetch.queue.backoff.ms": 4,
    "fetch.wait.max.ms": 100,
}


class Intake:
    """Follows every event of its partitions until it has an outcome, and commits it only then.

    Both topics are assigned by ``range``: with equal numbers of partitions, a member gets the same partition
    numbers of both, so the completion of a batch returns to its sender.
    """

    def __init__(
        self, settings: Settings, metrics: Metrics, health: Health, local: LocalFlow | None = None
    ) -> None:
        """``local`` leads to recall if this process runs that too; otherwise everything goes through Kafka."""
        self._settings = settings
        self._metrics = metrics
        self._health = health
        self._products = settings.topic(PRODUCTS_CHANGED)
        self._completed = settings.topic(BATCHES_COMPLETED)
        self._stop = Event()
        self._partitions: dict[int, PartitionIntake] = {}
        self._ignored = 0
        self._read_seconds = max(settings.linger_ms / 1000, 0.001)
        self._offsets = Offsets(self._products, metrics, PartitionEnds(settings.kafka, self._products))
        self._lost = LostMessages(settings.kafka, self._products, metrics, _LOST)
        self._local = local or LocalFlow()
        self._outbox = Outbox(settings, metrics, self._local)
        self._circuit = Circuit(settings, metrics, health)
        config = settings.member_config(STAGE, {"on_commit": self._offsets.on_commit, **_FETCHES})
        self._consumer = Consumer(config, logger=logger)
        health.condition(ASSIGNED, ready=False)

    def stop(self) -> None:
        """Ask :meth:`run` to stop reading, drain and return; may be called from any thread at any time."""
        self._stop.set()

    def run(self) -> None:
        """Work until :meth:`stop`, then wait up to ``drain_seconds`` for the batches in flight, and commit.

        Raises :class:`schemas.errors.KafkaUnavailable` on an error that cannot heal. Nothing is lost then, because
        the next owner reads the events again.
        """
        self._health.watch(STAGE, self._settings.stall_seconds)
        self._consumer.subscribe(
            [self._products, self._completed],
            on_assign=self._on_assign,
            on_revoke=self._on_revoke,
            on_lost=self._on_lost,
        )
        try:
            while not self._stop.is_set():
                self._turn(self._read())
                self._pack()
            self._drain()
        finally:
            # Leave the group, so that others need not wait for the session to time out.
            self._consumer.close()
            self._health.forget(STAGE)

    def _read(self) -> list[Message]:
        # consume() waits its whole timeout if it is asked for many messages, so it waits only when that fills
        # batches. await_news() returns early when the stages of this process have finished a batch: the next may
        # then leave.
        if any(not state.idle for state in self._partitions.values()):
            self._local.await_news(self._read_seconds)
            return list(self._consumer.consume(_MESSAGES_A_TURN, 0))
        first = self._consumer.poll(_IDLE_SECONDS)
        return [] if first is None else [first, *self._consumer.consume(_MESSAGES_A_TURN, self._read_seconds)]

    def _turn(self, messages: list[Message]) -> None:
        self._health.beat(STAGE)
        received = sum([self._take(message) for message in messages])
        if received:
            self._metrics.events_received(received)
        self._outbox.poll()
        for news in self._local.news():
            self._hear(news)
        for state in self._partitions.values():
            self._settle(state)
        self._offsets.turn(self._consumer, self._partitions)
        self._lost.turn()

    def _take(self, message: Message) -> bool:
        """Take in a message; return whether it is a new event."""
        if (error := message.error()) is not None:
            log_or_raise(error, message, "events and completions", logger)
            return False
        state = self._partitions.get(message.partition())
        if state is None:
            return False
        if message.topic() == self._completed:
            self._complete(state, message.value())
            return False
        if state.was_recreated(message.offset()):
            state = self._begin_recreated(state.partition, message.offset())
        if state.next_offset is not None and message.offset() > state.next_offset:
            self._lost.skipped(state.partition, state.next_offset, message.offset())
        timestamp_ms, headers = message.timestamp()[1], headers_of(message)
        return state.add(SourceEvent(message.offset(), timestamp_ms, message.key(), message.value(), headers))

    def _hear(self, news: News) -> None:
        """Take in what the stages of this process report about a batch."""
        state = self._partitions.get(news.source_partition)
        if state is None:
            return
        if isinstance(news, ModelDone):
            state.window.decided(news.batch_id)
        else:
            self._outbox.redirect(state, news.batch)

    def _complete(self, state: PartitionIntake, value: bytes | None) -> None:
        try:
            completed = decode(value, BatchCompleted)
            shipment = state.window.complete(completed.batch_id, completed.outcomes)
        except (InvalidEvent, ValueError) as error:
            logger.warning("a completion is ignored: %s", error)
            return
        if shipment is None:
            self._ignored += 1
            logger.debug("completion of %s is no news; %d so far", completed.batch_id, self._ignored)
        else:
            self._circuit.completed(shipment)
            self._outbox.bury_failed(state, shipment)

    def _pack(self) -> None:
        self._circuit.turn()
        states = self._partitions.values()
        # Batches of several partitions leave together in rounds, because a call of the stages costs as much for
        # one batch as for one of each partition.
        must_send = any(state.must_send and self._outbox.may_open(state) for state in states)
        begins = must_send or not any(state.window.at_work for state in states)
        for state in states:
            self._send_again(state)
            while self._circuit.sends and (batch := self._next(state, joins=begins)) is not None:
                item = state.window.open(batch)
                self._outbox.open(state, item)
                self._circuit.sent(item)
            self._steer(state)
        self._outbox.hand_over()

    def _send_again(self, state: PartitionIntake) -> None:
        for shipment in state.window.due():
            if shipment.awaited:
                self._outbox.send_again(state, shipment)
                continue
            logger.error("%s/%d: an event was given up", self._products, state.partition)
            self._circuit.completed(shipment)
            self._outbox.bury_failed(state, shipment)
        if (probe := state.window.probe()) is not None:
            self._outbox.send_probe(state, probe)

    def _next(self, state: PartitionIntake, *, joins: bool) -> PackedBatch | None:
        if not self._outbox.may_open(state):
            return None
        started = time.monotonic()
        batch = state.next_batch(self._circuit.most_events, joins=joins)
        if batch is not None:
            self._metrics.stage_finished(STAGE, time.monotonic() - started, len(batch.message.products))
        return batch

    def _settle(self, state: PartitionIntake) -> None:
        for item in state.window.settle():
            counts = Counter([outcome.outcome for outcome in item.outcomes or ()])
            if failed := counts.pop(Outcome.FAILED, 0):
                counts[Outcome.DEAD_LETTER] += failed
            self._metrics.outcomes(counts)
            self._offsets.finished(state.partition, item.batch.last_offset + 1)

    def _steer(self, state: PartitionIntake) -> None:
        here = [TopicPartition(self._products, state.partition)]
        if state.reading and (state.overfull or not self._circuit.reads):
            self._consumer.pause(here)
            state.reading = False
        elif not state.reading and state.hungry and self._circuit.reads:
            self._consumer.resume(here)
            state.reading = True

    def _drain(self) -> None:
        deadline = time.monotonic() + self._settings.drain_seconds
        for state in self._partitions.values():
            self._consumer.pause([TopicPartition(self._products, state.partition)])
            state.drop_backlog()
        while self._in_flight() and time.monotonic() < deadline:
            messages = self._consumer.consume(_MESSAGES_A_TURN, _DRAIN_READ_SECONDS)
            self._turn([message for message in messages if message.topic() == self._completed])
        logger.info("intake has drained; %d batches are left to the next owner", self._in_flight())
        self._offsets.commit(self._consumer, asynchronous=False)

    def _in_flight(self) -> int:
        return sum(len(state.window) for state in self._partitions.values())

    def _on_assign(self, consumer: Consumer, assigned: list[TopicPartition]) -> None:
        sources = [item for item in assigned if item.topic == self._products]
        most_products = self._settings.most_products(len(sources))
        left = committed(consumer, sources)
        owned: dict[int, tuple[int | None, int | None]] = {}
        for item in assigned:
            if item.topic == self._completed:
                item.offset = end_offset(consumer, item)
                continue
            found, first = left.get(item.partition, Committed()), first_offset(consumer, item)
            if found.mark is not None and first is not None and found.mark.offset < first:
                self._lost.deleted(item.partition, found.mark.offset, first)
                found = replace(found, mark=replace(found.mark, offset=first))
            state = self._begin(consumer, item.partition, found, most_products)
            owned[item.partition] = (first if found.mark is None else found.mark.offset, state.generation)
        consumer.assign(assigned)
        announce(consumer, self._products, owned)
        # librdkafka keeps a partition paused that was paused when it was revoked; it would never be read again.
        consumer.resume(sources)
        logger.info("intake owns partitions %s", sorted(self._partitions))
        self._health.condition(ASSIGNED, ready=True)

    def _begin(self, consumer: Consumer, number: int, found: Committed, batch_products: int) -> PartitionIntake:
        if found.mark is not None:
            self._metrics.committed(self._products, number, found.mark.offset)
        state = begin(consumer, self._settings, number, found, batch_products)
        self._offsets.assigned(number, state.generation)
        self._local.assigned(number, state.generation)
        self._partitions[number] = state
        return state

    def _begin_recreated(self, number: int, offset: int) -> PartitionIntake:
        """Start a partition again whose topic was recreated or reset: the events that are held no longer exist."""
        logger.warning("%s/%d continues from the earlier offset %d", self._products, number, offset)
        before = self._partitions[number]
        before.owned = False
        self._circuit.lost()
        self._offsets.revoked(number)
        found = Committed(Mark(offset, before.generation), known=True)
        state = self._begin(self._consumer, number, found, before.batch_products)
        announce(self._consumer, self._products, {number: (offset, state.generation)})
        return state

    def _on_revoke(self, consumer: Consumer, _revoked: list[TopicPartition]) -> None:
        for state in self._partitions.values():
            self._settle(state)
        self._offsets.commit(consumer, asynchronous=False)
        self._forget(consumer)

    def _on_lost(self, consumer: Consumer, _lost: list[TopicPartition]) -> None:
        self._forget(consumer)

    def _forget(self, consumer: Consumer) -> None:
        # Batches in flight are dropped. They are not committed, so the next owner reads and decides their events
        # again.
        self._offsets.forget()
        self._local.all_revoked()
        for number, state in self._partitions.items():
            state.owned = False
            self._metrics.partition_revoked(self._products, number)
        self._partitions.clear()
        self._circuit.lost()
        self._metrics.batches_in_flight(0)
        self._health.condition(ASSIGNED, ready=False)
        consumer.unassign()
