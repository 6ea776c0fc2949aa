"""Where one process does all, batches and candidates need no topic; what others left on it comes first."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from pathlib import Path
from threading import Event
from typing import Any

import msgspec
import pytest

from schemas.events.batch import BatchCompleted, BatchedProduct, EventOutcome, Outcome, ProductBatch
from schemas.events.codec import decode, encode
from schemas.events.decision import CategoryAssigned
from schemas.events.product import Product
from schemas.taxonomy.tree import Taxonomy
from schemas.topics import BATCHES_COMPLETED, CATEGORIES_ASSIGNED
from streams.agents.gathering import LocalBatch
from streams.agents.handover import Handover
from streams.agents.model_context import ModelContext
from streams.agents.ranking import RankingStage
from streams.agents.recall import RecallStage
from streams.agents.rereading import LogPlace
from streams.agents.sifting import ProductRecords
from streams.health import Health
from streams.local_flow import ModelDone, Returned
from streams.metrics import Metrics
from streams.model_process.calls import ModelGone
from streams.model_process.models import Models
from streams.settings import Settings
from tests.agent_fakes import Log, ModelInThread, one_candidate, process
from workers.ranking.ranking import Prediction
from workers.recall.candidates import Candidates


class _Model:
    """Is sure of all it is asked, and chokes on titles that say so."""

    model_version = "model 1"
    taxonomy = Taxonomy.from_paths("tree", "1", [("Home", "Lamps")])

    def __init__(self) -> None:
        self.recall = self.ranking = self
        self.recalled = Event()
        self.decided = Event()
        self.may_decide = Event()
        self.may_decide.set()

    def candidates(self, products: list[Product], _statistics: object) -> Candidates:
        self.recalled.set()
        if any("choke" in product.title for product in products):
            raise ZeroDivisionError("no such luck")
        return one_candidate(products)

    def decide(self, candidates: Candidates) -> list[Prediction]:
        self.decided.set()
        self.may_decide.wait()
        return [Prediction(Outcome.ASSIGNED, 1, 0.99, 0.99, ((1, 0.99),), ())] * len(candidates)


class _Process:
    """Recall and ranking of one process; ``left`` are messages on the topic of candidates, ``asked`` how often."""

    def __init__(self, context: ModelContext, log: Log, model: _Model) -> None:
        self.model, self.model_calls = model, context.models.current
        self.log, self.health, self.local = log, context.health, context.local
        self.left: list[int] = []
        self.asked = 0
        self.records: dict[bytes, bytes] = {}
        self.arrivals: list[asyncio.Future[None]] = []
        self.more = asyncio.Event()
        self.safe_at_once = True
        self.ranking = RankingStage(context)
        handover = Handover(self.ranking, self._undecided)
        table = ProductRecords(lambda _: self.records, arrived=self._arrived)
        self.recall = RecallStage(context, table, handover)
        self.recall.rereading.begin({0: 0})

    def _undecided(self, _partition: int) -> int:
        self.asked += 1
        return self.left.pop() if self.left else 0

    def _arrived(self) -> asyncio.Future[None]:
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        if self.safe_at_once:
            future.set_result(None)
        self.arrivals.append(future)
        self.more.set()
        return future

    async def work(self, offset: int, attempt: int = 1) -> None:
        await self.process(_batch(offset, attempt))

    async def process(self, batch: ProductBatch) -> None:
        await process(self.recall, encode(batch), LogPlace("t", 0, batch.products[0].offset))

    async def work_locally(self, offset: int) -> None:
        """Let intake of this process hand a batch over, and work on it."""
        self.local.assigned(0, 7)
        prepared = await self.recall.prepare_item(LocalBatch(_batch(offset)))
        assert prepared is not None
        await self.recall.finish([prepared])

    async def leaving(self, count: int) -> None:
        """Return when so many batches wait for their records."""
        while len(self.arrivals) < count:
            await self.more.wait()
            self.more.clear()

    async def drain(self) -> None:
        await self.recall.drain(10)
        await self.ranking.drain(10)


def _batch(offset: int, attempt: int = 1, titles: Sequence[str] = ("a lamp",)) -> ProductBatch:
    products = [Product(product_id=f"p{offset + place}", title=title) for place, title in enumerate(titles)]
    events = [
        BatchedProduct(offset + place, 1_700_000_000_000, product.product_id, msgspec.Raw(encode(product)))
        for place, product in enumerate(products)
    ]
    return ProductBatch(
        batch_id=f"b{offset}",
        source_topic="s",
        source_partition=0,
        attempt=attempt,
        products=events,
        generation=7,
    )


@pytest.fixture(name="process")
def _process(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[_Process]:
    """Return the stages; a test may be parametrised with settings."""
    log: Any = Log()
    model = _Model()
    settings = Settings(data_dir=tmp_path, **getattr(request, "param", {}))
    with ModelInThread(model, settings) as calls:
        yield _Process(ModelContext(settings, log, Metrics(), Health(), Models(calls)), log, model)


def _topics(log: Log) -> list[str]:
    return [message.topic for message in log.messages]


async def test_decisions_and_completion_leave_and_no_candidates(process: _Process) -> None:
    await process.work(0)
    await process.drain()
    log = process.log
    assert _topics(log) == [CATEGORIES_ASSIGNED.name, BATCHES_COMPLETED.name]
    assert decode(log.messages[0].value, CategoryAssigned).source.offset == 0
    completed = decode(log.messages[1].value, BatchCompleted)
    assert completed.outcomes == [EventOutcome(0, Outcome.ASSIGNED)]


async def test_ranking_follows_recall_without_waiting_for_the_event_loop(process: _Process) -> None:
    working = asyncio.create_task(process.work(0))
    while not process.model.recalled.is_set():  # noqa: ASYNC110 - it is set in another thread
        await asyncio.sleep(0)
    # The loop stands still.
    assert process.model.decided.wait(30)
    await working
    await process.drain()
    assert _topics(process.log) == [CATEGORIES_ASSIGNED.name, BATCHES_COMPLETED.name]


async def test_a_product_that_recall_cannot_do_costs_no_other_its_decision(process: _Process) -> None:
    await process.process(_batch(0, titles=("a lamp", "choke on this", "a shade")))
    await process.drain()
    log = process.log
    assert _topics(log) == [CATEGORIES_ASSIGNED.name] * 2 + [BATCHES_COMPLETED.name]
    outcomes = decode(log.messages[-1].value, BatchCompleted).outcomes
    assert [(each.offset, each.outcome) for each in outcomes] == [
        (1, Outcome.FAILED),
        (0, Outcome.ASSIGNED),
        (2, Outcome.ASSIGNED),
    ]


async def test_a_model_that_is_gone_makes_no_product_fail(process: _Process) -> None:
    process.model_calls.end("it was killed")
    with pytest.raises(ModelGone, match="it was killed"):
        await process.work(0)
    assert process.records == {}
    await process.drain()
    assert process.log.messages == []


async def test_no_decision_leaves_before_its_product_is_on_record_and_all_leave_in_order(
    process: _Process,
) -> None:
    process.safe_at_once = False
    for offset in range(3):
        await process.work(offset)
    await process.leaving(3)
    for arrival in reversed(process.arrivals):
        assert process.log.messages == []
        arrival.set_result(None)
    await process.drain()
    decided = [
        decode(message.value, CategoryAssigned).source.offset
        for message in process.log.messages
        if message.topic == CATEGORIES_ASSIGNED.name
    ]
    assert decided == [0, 1, 2]


async def test_a_batch_whose_records_are_lost_is_not_decided_and_keeps_no_other_back(
    process: _Process, caplog: pytest.LogCaptureFixture
) -> None:
    process.safe_at_once = False
    for offset in range(2):
        await process.work(offset)
    await process.leaving(2)
    process.arrivals[0].set_exception(RuntimeError("too large"))
    process.arrivals[1].set_result(None)
    await process.drain()
    decisions = [message for message in process.log.messages if message.topic == CATEGORIES_ASSIGNED.name]
    assert [decode(message.value, CategoryAssigned).source.offset for message in decisions] == [1]
    assert "did not leave recall" in caplog.text


async def test_a_batch_that_comes_again_when_it_is_done_gets_its_completion_alone(process: _Process) -> None:
    await process.work(0)
    await process.drain()
    process.records.clear()
    await process.work(0, attempt=2)
    await process.drain()
    assert _topics(process.log) == [
        CATEGORIES_ASSIGNED.name,
        BATCHES_COMPLETED.name,
        BATCHES_COMPLETED.name,
    ]


async def test_what_lies_on_the_topic_is_decided_first_and_is_asked_for_anew_when_partitions_moved(
    process: _Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("streams.agents.handover._ASK_AGAIN_SECONDS", 0)
    process.left = [2, 5]
    await process.work(0)
    assert process.asked == 3
    await process.work(1)
    assert process.asked == 3
    await process.recall.give_up()
    await process.work(2)
    assert process.asked == 4
    await process.drain()
    assert _topics(process.log).count(CATEGORIES_ASSIGNED.name) == 3


async def test_what_waited_for_a_partition_that_was_given_up_meanwhile_records_nothing_and_opens_it_to_nobody(
    process: _Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("streams.agents.handover._ASK_AGAIN_SECONDS", 0)
    process.left = [1] * 1_000
    waiting = asyncio.create_task(process.work(0))
    while not process.asked:  # noqa: ASYNC110 - the question is asked in a thread
        await asyncio.sleep(0)
    await process.recall.give_up()
    process.left = []
    with pytest.raises(RuntimeError, match="given up meanwhile"):
        await waiting
    assert process.records == {}
    asked = process.asked
    await process.work(1)
    assert process.asked == asked + 1
    await process.drain()
    assert _topics(process.log).count(CATEGORIES_ASSIGNED.name) == 1


async def test_partitions_are_given_up_when_what_is_under_way_is_decided(process: _Process) -> None:
    process.safe_at_once = False
    await process.work(0)
    given_up = asyncio.create_task(process.recall.give_up())
    await process.leaving(1)
    assert not given_up.done()
    process.arrivals[0].set_result(None)
    await given_up
    assert CATEGORIES_ASSIGNED.name in _topics(process.log)
    await process.drain()


async def test_intake_of_this_process_hears_that_its_batch_is_decided_before_the_broker_has_it(
    process: _Process,
) -> None:
    process.local.assigned(0, 7)
    process.safe_at_once = False
    await process.work_locally(0)
    await process.leaving(1)
    while not (news := process.local.news()):  # noqa: ASYNC110 - who tells of news is what is tested
        await asyncio.sleep(0)
    assert news == [ModelDone(0, "b0")]
    assert process.log.messages == []
    process.arrivals[0].set_result(None)
    await process.drain()
    assert _topics(process.log) == [CATEGORIES_ASSIGNED.name, BATCHES_COMPLETED.name]


async def test_the_intake_of_another_process_hears_of_its_batch_by_the_completion_alone(process: _Process) -> None:
    process.local.assigned(0, 8)
    await process.work(0)
    await process.drain()
    assert process.local.news() == []
    assert _topics(process.log) == [CATEGORIES_ASSIGNED.name, BATCHES_COMPLETED.name]


async def test_a_batch_with_nothing_to_rank_counts_as_decided(process: _Process) -> None:
    process.local.assigned(0, 7)
    await process.work_locally(0)
    await process.drain()
    assert process.local.news() == [ModelDone(0, "b0")]
    copy = msgspec.structs.replace(_batch(0).products[0], offset=1)
    again = msgspec.structs.replace(_batch(1), products=[copy])
    prepared = await process.recall.prepare_item(LocalBatch(again))
    assert prepared is not None
    await process.recall.finish([prepared])
    assert process.local.news() == [ModelDone(0, "b1")]
    await process.drain()
    log = process.log
    completed = decode(log.messages[-1].value, BatchCompleted)
    assert completed.outcomes == [EventOutcome(1, Outcome.UNCHANGED)]


async def test_batches_that_wait_when_partitions_are_given_up_go_back_to_intake(process: _Process) -> None:
    process.recall.take_from_intake()
    process.local.assigned(0, 7)
    process.local.open(0)
    process.local.hand_over([_batch(0)])
    await asyncio.sleep(0)
    await process.recall.give_up()
    assert not process.local.takes(0)
    assert process.local.news() == [Returned(_batch(0))]
    assert process.log.messages == []


@pytest.mark.parametrize("process", [{"session_timeout_seconds": 1}], indirect=True)
async def test_nothing_leaves_whose_records_are_safe_only_after_the_partitions_were_given_up(
    process: _Process, caplog: pytest.LogCaptureFixture
) -> None:
    process.safe_at_once = False
    await process.work_locally(0)
    await process.leaving(1)
    await process.recall.give_up()
    assert "with 1 batches under way" in caplog.text
    process.arrivals[0].set_result(None)
    await process.drain()
    assert process.log.messages == []
    assert "given up meanwhile" in caplog.text


@pytest.mark.parametrize("process", [{"session_timeout_seconds": 1}], indirect=True)
async def test_nothing_leaves_that_is_decided_only_after_the_partitions_were_given_up(
    process: _Process, caplog: pytest.LogCaptureFixture
) -> None:
    process.model.may_decide.clear()
    await process.work_locally(0)
    await process.recall.give_up()
    assert "with 1 batches under way" in caplog.text
    process.model.may_decide.set()
    await process.drain()
    assert process.log.messages == []
    assert "given up meanwhile" in caplog.text


async def test_a_batch_that_no_intake_of_this_process_waits_for_any_more_is_left_alone(process: _Process) -> None:
    process.local.assigned(0, 8)
    assert await process.recall.prepare_item(LocalBatch(_batch(0))) is None
    process.local.all_revoked()
    assert await process.recall.prepare_item(LocalBatch(_batch(0))) is None
    assert process.records == {}
    assert process.log.messages == []
