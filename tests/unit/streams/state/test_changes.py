"""A change of a table that did not arrive is noticed before the event that it was made for is committed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import Any

import pytest
from confluent_kafka import KafkaError, KafkaException

from streams.kafka.connection import KafkaConnection
from streams.state import changes
from streams.state.changes import TableChanges
from streams.state.stores import Change


class _Producer:
    """A broker that takes changes when the test says so."""

    def __init__(self, *_arguments: object) -> None:
        self.producer = self
        self.sent: list[tuple[bytes, int, Callable[[KafkaError | None, Any], None]]] = []
        self.refusal: KafkaException | None = None
        self.rounds_full = 0
        self.failure: BaseException | None = None
        self._offsets: dict[int, int] = {}

    def produce(self, _topic: str, _value: bytes | None, key: bytes, partition: int, callback: Any) -> None:
        if self.refusal:
            raise self.refusal
        if self.rounds_full:
            self.rounds_full -= 1
            raise BufferError
        self.sent.append((key, partition, callback))

    def deliver(self, key: bytes, error: KafkaError | None = None) -> None:
        item = next(item for item in self.sent if item[0] == key)
        self.sent.remove(item)
        offset = self._offsets[item[1]] = self._offsets.get(item[1], -1) + 1
        item[2](error, SimpleNamespace(topic=lambda: "t", partition=lambda: item[1], offset=lambda: offset))


class _Store:
    def __init__(self) -> None:
        self.told: list[tuple[int, list[Change], int]] = []

    def acknowledged(self, partition: int, changes: Sequence[Change], offset: int) -> None:
        self.told.append((partition, list(changes), offset))


@pytest.fixture
def producer(monkeypatch: pytest.MonkeyPatch) -> _Producer:
    made = _Producer()
    monkeypatch.setattr(changes, "PolledProducer", lambda *_: made)
    return made


@pytest.fixture
def sending(producer: _Producer) -> TableChanges:
    return TableChanges(KafkaConnection())


@pytest.fixture
def store() -> _Store:
    return _Store()


async def _turns() -> None:
    for _ in range(3):
        await asyncio.sleep(0)


async def test_a_commit_waits_for_the_changes_made_so_far_and_for_no_later_ones(
    sending: TableChanges, producer: _Producer, store: _Store
) -> None:
    sending.send(store, "t", 0, b"a", b"1")
    sending.send(store, "t", 1, b"b", b"2")
    committing = sending.arrived()
    await _turns()
    sending.send(store, "t", 0, b"c", None)
    producer.deliver(b"b")
    await _turns()
    assert not committing.done()
    producer.deliver(b"a")
    await committing
    assert [key for key, _, _ in producer.sent] == [b"c"]


async def test_a_store_is_told_once_of_all_that_has_arrived_in_a_partition(
    sending: TableChanges, producer: _Producer, store: _Store
) -> None:
    for partition, key, value in ((0, b"a", b"1"), (1, b"b", b"2"), (0, b"c", None)):
        sending.send(store, "t", partition, key, value)
    for key in (b"a", b"b", b"c"):
        producer.deliver(key)
    await sending.arrived()
    assert store.told == [(0, [(b"a", b"1"), (b"c", None)], 1), (1, [(b"b", b"2")], 0)]


async def test_a_change_that_failed_is_raised_now_and_ever_after(
    sending: TableChanges, producer: _Producer, store: _Store
) -> None:
    sending.send(store, "t", 0, b"a", b"1")
    producer.deliver(b"a", KafkaError(KafkaError.MSG_SIZE_TOO_LARGE))
    for _ in range(2):
        with pytest.raises(KafkaException, match=r"MSG_SIZE_TOO_LARGE.*t: "):
            await sending.arrived()
    assert store.told == []


async def test_a_change_that_no_producer_takes_is_raised(
    sending: TableChanges, producer: _Producer, store: _Store
) -> None:
    producer.refusal = KafkaException(KafkaError(KafkaError.MSG_SIZE_TOO_LARGE))
    sending.send(store, "t", 0, b"a", b"1")
    with pytest.raises(KafkaException, match="MSG_SIZE_TOO_LARGE"):
        await sending.arrived()


async def test_a_producer_that_has_ended_for_good_is_a_failure_before_anything_else_is_sent(
    sending: TableChanges, producer: _Producer, store: _Store
) -> None:
    sending.send(store, "t", 0, b"a", b"1")
    assert sending.failure is None
    producer.failure = KafkaException(KafkaError(KafkaError.OUT_OF_ORDER_SEQUENCE_NUMBER))
    assert sending.failure is producer.failure


async def test_a_full_queue_holds_up_and_loses_nothing(
    sending: TableChanges, producer: _Producer, store: _Store
) -> None:
    producer.rounds_full = 2
    sending.send(store, "t", 0, b"a", b"1")
    producer.deliver(b"a")
    await sending.arrived()
    assert store.told == [(0, [(b"a", b"1")], 0)]
