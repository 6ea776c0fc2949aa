"""A batch goes to recall of this process where that takes it, else through Kafka, and never past one in Kafka."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest
from prometheus_client import CollectorRegistry

from schemas.events.batch import EventOutcome, Outcome, ProductBatch
from schemas.events.codec import decode, encode
from schemas.events.product import Product
from schemas.topics import PRODUCTS_BATCHED
from streams.intake.outbox import Outbox
from streams.intake.packer import PackedBatch, SourceEvent, pack
from streams.intake.partition import PartitionIntake
from streams.intake.shipment import Shipment
from streams.intake.window import Window
from streams.kafka.connection import KafkaConnection
from streams.local_flow import LocalFlow, Returned
from streams.metrics import Metrics
from streams.outgoing import Outgoing
from streams.settings import Settings


class _Sender:
    """Keeps what goes through Kafka, which acknowledges nothing by itself."""

    def __init__(self, _connection: KafkaConnection, _name: str) -> None:
        self.sent: list[tuple[Outgoing, Callable[[None], None]]] = []

    def send(self, message: Outgoing, delivered: Callable[[None], None]) -> None:
        self.sent.append((message, delivered))


class _Site:
    """An outbox, a partition, and what recall of the process has taken."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("streams.intake.outbox.Sender", _Sender)
        self.now = 0.0
        self.local = LocalFlow()
        self.outbox = Outbox(Settings(), Metrics(CollectorRegistry()), self.local)
        window = Window(8, 10, lambda: self.now)
        self.state = PartitionIntake("t", 0, 8, window, next_offset=0, generation=7)
        self.taken: list[ProductBatch] = []
        self.local.deliver_to(self.taken.extend)

    @property
    def through_kafka(self) -> list[ProductBatch]:
        sender = self.outbox._sender
        assert isinstance(sender, _Sender)
        assert all(message.topic == PRODUCTS_BATCHED.name for message, _ in sender.sent)
        return [decode(message.value, ProductBatch) for message, _ in sender.sent]

    async def send(self, offset: int) -> PackedBatch:
        value = encode(Product(product_id=str(offset), title="lamp"))
        batch = pack("t", 0, [SourceEvent(offset, offset, str(offset).encode(), value, [])])
        self.outbox.open(self.state, self.state.window.open(batch))
        await self.hand_over()
        return batch

    async def send_again(self) -> list[Shipment]:
        due = self.state.window.due()
        for shipment in due:
            self.outbox.send_again(self.state, shipment)
        await self.hand_over()
        return due

    async def hand_over(self) -> None:
        self.outbox.hand_over()
        await asyncio.sleep(0)

    def complete(self, batch: PackedBatch) -> None:
        outcomes = [EventOutcome(offset, Outcome.ASSIGNED) for offset in batch.originals]
        assert self.state.window.complete(batch.message.batch_id, outcomes) is not None


async def test_batches_go_to_recall_of_this_process_and_not_through_kafka(monkeypatch: pytest.MonkeyPatch) -> None:
    site = _Site(monkeypatch)
    site.local.open(0)
    batch = await site.send(0)
    assert [(taken.batch_id, taken.generation) for taken in site.taken] == [(batch.message.batch_id, 7)]
    assert site.through_kafka == []


async def test_none_is_handed_over_past_one_that_travels_through_kafka(monkeypatch: pytest.MonkeyPatch) -> None:
    site = _Site(monkeypatch)
    first = await site.send(0)
    assert site.outbox.may_open(site.state)
    site.local.open(0)
    assert not site.outbox.may_open(site.state)
    site.complete(first)
    assert site.outbox.may_open(site.state)
    await site.send(1)
    assert site.outbox.may_open(site.state)
    assert (len(site.through_kafka), len(site.taken)) == (1, 1)


async def test_what_recall_gives_back_goes_through_kafka_as_the_same_attempt(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    site = _Site(monkeypatch)
    site.local.open(0)
    batch = await site.send(0)
    site.local.close()
    site.outbox.redirect(site.state, site.taken[0])
    assert [(sent.batch_id, sent.attempt) for sent in site.through_kafka] == [(batch.message.batch_id, 1)]
    site.local.open(0)
    assert not site.outbox.may_open(site.state)


async def test_what_is_given_back_and_nobody_awaits_goes_nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    site = _Site(monkeypatch)
    site.local.open(0)
    done, awaited = await site.send(0), await site.send(1)
    site.complete(done)
    site.outbox.redirect(site.state, site.taken[0])
    site.state.generation = 8
    site.outbox.redirect(site.state, site.taken[1])
    assert site.through_kafka == []
    assert site.state.window.awaited(awaited.message.batch_id) is not None


async def test_of_copies_that_are_given_back_only_the_latest_goes_through_kafka(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    site = _Site(monkeypatch)
    site.local.open(0)
    await site.send(0)
    site.now = 10.0
    await site.send_again()
    for batch in site.taken:
        site.outbox.redirect(site.state, batch)
    assert [sent.attempt for sent in site.through_kafka] == [2]


async def test_one_that_hangs_in_kafka_holds_the_next_ones_up_only_until_it_is_sent_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    site = _Site(monkeypatch)
    await site.send(0)
    shipment = site.state.window.awaited(site.through_kafka[0].batch_id)
    assert shipment is not None
    site.state.window.acknowledged(shipment)
    site.now = 10.0
    assert len(await site.send_again()) == 1
    site.local.open(0)
    assert site.outbox.may_open(site.state)


async def test_a_batch_that_does_not_complete_is_sent_again_by_the_way_that_is_open_then(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    site = _Site(monkeypatch)
    site.local.open(0)
    await site.send(0)
    site.now = 10.0
    assert len(await site.send_again()) == 1
    assert [taken.attempt for taken in site.taken] == [1, 2]
    site.local.close()
    site.now = 40.0
    assert len(await site.send_again()) == 1
    assert [sent.attempt for sent in site.through_kafka] == [3]


async def test_a_probe_takes_the_way_of_the_batches_before_it(monkeypatch: pytest.MonkeyPatch) -> None:
    site = _Site(monkeypatch)
    site.local.open(0)
    await site.send(0)
    probe = ProductBatch(
        batch_id="probe", source_topic="t", source_partition=0, attempt=1, products=[], probe=True
    )
    site.outbox.send_probe(site.state, probe)
    await site.hand_over()
    site.local.close()
    site.outbox.send_probe(site.state, probe)
    assert [taken.batch_id for taken in site.taken][1:] == ["probe"]
    assert [sent.batch_id for sent in site.through_kafka] == ["probe"]
    assert site.local.news() == []


async def test_a_batch_that_comes_as_its_partition_is_closed_is_returned_to_intake(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    site = _Site(monkeypatch)
    site.local.open(0)
    value = encode(Product(product_id="0", title="lamp"))
    batch = pack("t", 0, [SourceEvent(0, 0, b"0", value, [])])
    site.outbox.open(site.state, site.state.window.open(batch))
    site.local.close()
    await site.hand_over()
    (news,) = site.local.news()
    assert isinstance(news, Returned)
    assert news.batch.batch_id == batch.message.batch_id
