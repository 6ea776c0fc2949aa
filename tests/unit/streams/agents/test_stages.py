"""The stages without Faust or Kafka: one product that fails costs no other its decision."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from confluent_kafka import KafkaError, KafkaException

from schemas.errors import InvalidEvent
from schemas.events.batch import (
    BatchCompleted,
    BatchedProduct,
    CandidateBatch,
    EventOutcome,
    Outcome,
    ProductBatch,
)
from schemas.events.codec import decode, encode
from schemas.events.decision import CategoryAssigned, NeedsReview
from schemas.events.product import Product
from schemas.events.sent_again import headers_again
from schemas.taxonomy.tree import Taxonomy
from schemas.topics import BATCHES_COMPLETED, CANDIDATES, CATEGORIES_ASSIGNED, CATEGORIES_NEEDS_REVIEW
from streams.agents.model_context import ModelContext
from streams.agents.ranking import RankingStage
from streams.agents.recall import RecallStage
from streams.agents.rereading import LogPlace
from streams.agents.sifting import ProductRecords
from streams.health import Health
from streams.intake.packer import SourceEvent, pack
from streams.metrics import Metrics
from streams.model_process.calls import ModelCalls
from streams.model_process.models import Models
from streams.outgoing import Outgoing
from streams.settings import Settings
from tests.agent_fakes import Event, Log, ModelInThread, Stream, process
from workers.ranking.ranking import Prediction
from workers.recall.candidates import Candidates

_TREE = Taxonomy.from_paths("tree", "1", [("Home", "Lamps"), ("Home", "Desks")])
_PARTITION = 2


class _Sink(Log):
    def of(self, topic: str) -> list[Outgoing]:
        return [message for message in self.messages if message.topic == topic]


class _Model:
    """Puts lamps on the first leaf, asks about what it does not know, and chokes on titles that say so."""

    taxonomy = _TREE

    def __init__(self, model_version: str = "model 1", confidence: float = 0.99) -> None:
        self.model_version = model_version
        self.recall = self
        self.ranking = self
        self._confidence = confidence

    def candidates(self, products: Sequence[Product], _statistics: object) -> Candidates:
        if any("choke in recall" in product.title for product in products):
            raise ZeroDivisionError("no such luck")
        marks = [2.0 if "choke in ranking" in product.title else 1.0 for product in products]
        lamp = _TREE.find_path(("Home", "Lamps"))
        return Candidates(
            signals=("one",),
            context_names=("mark",),
            offsets=np.arange(len(products) + 1, dtype=np.int64),
            categories=np.full(len(products), lamp, np.int32),
            scores=np.ones((len(products), 1), np.float32),
            proposed=np.ones((len(products), 1), np.bool_),
            context=np.array(marks, np.float32).reshape(-1, 1),
        )

    def decide(self, candidates: Candidates) -> list[Prediction]:
        if (candidates.context > 1).any():
            raise ZeroDivisionError("no such luck")
        return [
            Prediction(Outcome.ASSIGNED, int(category), self._confidence, 0.99, ((int(category), 0.99),), ())
            for category in candidates.categories
        ]


@contextmanager
def _context(tmp_path: Path) -> Iterator[ModelContext]:
    sink: Any = _Sink()
    settings = Settings(data_dir=tmp_path)
    with ModelInThread(_Model(), settings) as model:
        yield ModelContext(settings, sink, Metrics(), Health(), Models(model))


@pytest.fixture
def context(tmp_path: Path) -> Iterator[ModelContext]:
    with _context(tmp_path) as made:
        yield made


@pytest.fixture
def sink(context: ModelContext) -> Any:
    return context.sink


def _later(context: ModelContext, confidence: float = 0.99) -> ModelInThread:
    return ModelInThread(_Model("model 2", confidence), context.settings)


def _models(context: ModelContext) -> Models[ModelCalls]:
    assert isinstance(context.models, Models)
    return context.models


def _batch(*products: Product | None, first: int = 0, partition: int = _PARTITION) -> bytes:
    events = [
        BatchedProduct(
            first + place,
            1_700_000_000_000,
            f"p{place}",
            msgspec.Raw(b"null" if product is None else encode(product)),
        )
        for place, product in enumerate(products)
    ]
    return encode(
        ProductBatch(
            batch_id="b",
            source_topic="products.changed.v1",
            source_partition=partition,
            attempt=1,
            products=events,
            settled=[EventOutcome(100, Outcome.DEAD_LETTER)],
        )
    )


def _waiting(*values: bytes | None) -> Stream:
    """Return a stream of messages that wait already, each the first of its partition."""
    return Stream(*(Event(partition, 0, value) for partition, value in enumerate(values)))


def _no_records() -> Callable[[int], dict[bytes, bytes]]:
    records: dict[bytes, bytes] = {}
    return lambda _: records


def _place(offset: int) -> LogPlace:
    return LogPlace("t", _PARTITION, offset)


def _new_ranking(context: ModelContext) -> RankingStage:
    """Return a stage whose log nobody has read before."""
    stage = RankingStage(context)
    stage.rereading.begin({_PARTITION: 0})
    return stage


def _product(place: int, title: str = "a lamp") -> Product:
    return Product(product_id=f"p{place}", title=title, brand="Acme")


async def _recalled(tmp_path: Path, *batches: bytes) -> Any:
    """Return what recall sends, of batches of one partition that come one after the other."""
    with _context(tmp_path) as context:
        stage = RecallStage(context, ProductRecords(_no_records()))
        stage.rereading.begin({_PARTITION: 0})
        for place, batch in enumerate(batches):
            await process(stage, batch, _place(place))
        await stage.drain(10)
        return context.sink


async def _recalled_in(tmp_path: Path, batches: Mapping[int, bytes]) -> Any:
    """Return what recall sends, of one batch of each of these partitions."""
    with _context(tmp_path) as context:
        stage = RecallStage(context, ProductRecords(_no_records()))
        for partition, batch in batches.items():
            await process(stage, batch, LogPlace("t", partition, 0))
        await stage.drain(10)
        return context.sink


async def _ranked(tmp_path: Path, batch: bytes) -> Any:
    """Return what ranking sends, of what recall sends of a batch."""
    (message,) = (await _recalled(tmp_path, batch)).of(CANDIDATES.name)
    with _context(tmp_path) as context:
        stage = _new_ranking(context)
        await process(stage, message.value, _place(0))
        await stage.drain(10)
        return context.sink


def _outcomes(message: Outgoing) -> dict[int, Outcome]:
    return {outcome.offset: outcome.outcome for outcome in decode(message.value, BatchCompleted).outcomes}


async def test_candidates_travel_on_the_partition_of_their_batch(tmp_path: Path) -> None:
    (message,) = (await _recalled(tmp_path, _batch(_product(0), _product(1), None))).of(CANDIDATES.name)
    batch = decode(message.value, CandidateBatch)
    assert message.partition == _PARTITION
    assert [(product.offset, product.removed) for product in batch.products] == [(0, False), (1, False), (2, True)]
    assert batch.settled == [EventOutcome(100, Outcome.DEAD_LETTER)]


async def test_ranking_is_told_of_the_verdict_that_an_event_was_published_again_for(tmp_path: Path) -> None:
    headers = headers_again([], 3, verdict=7)
    packed = pack("products.changed.v1", _PARTITION, [SourceEvent(5, 0, b"p0", encode(_product(0)), headers)])
    (message,) = (await _recalled(tmp_path, encode(packed.message))).of(CANDIDATES.name)
    (product,) = decode(message.value, CandidateBatch).products
    assert (product.offset, product.verdict_offset) == (5, 7)


def _candidate_batches(sink: _Sink) -> list[CandidateBatch]:
    return [decode(message.value, CandidateBatch) for message in sink.of(CANDIDATES.name)]


@pytest.mark.parametrize("title", ["a lamp", "choke in recall"])
async def test_batches_that_wait_together_are_recalled_at_once_as_each_would_be_alone(
    context: ModelContext, sink: _Sink, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, title: str
) -> None:
    calls: list[int] = []
    candidates = _Model.candidates

    def note(self: _Model, products: Sequence[Product], statistics: object) -> Candidates:
        calls.append(len(products))
        return candidates(self, products, statistics)

    monkeypatch.setattr(_Model, "candidates", note)
    values = [
        _batch(_product(0), _product(1), partition=0),
        b"{",
        _batch(_product(2, title), None, partition=2),
        _batch(None, partition=3),
    ]
    stream = _waiting(*values)

    stage = RecallStage(context, ProductRecords(_no_records()))
    await stage.run(stream)
    await stage.drain(10)
    assert (calls[0], [event.partition for event in stream.acknowledged]) == (3, [0, 1, 2, 3])
    alone = await _recalled_in(tmp_path, {partition: values[partition] for partition in (0, 2, 3)})
    assert [encode(batch) for batch in _candidate_batches(sink)] == [
        encode(batch) for batch in _candidate_batches(alone)
    ]


@pytest.mark.parametrize("title", ["a lamp", "choke in ranking"])
async def test_batches_that_wait_together_are_ranked_at_once_as_each_would_be_alone(
    tmp_path: Path, title: str
) -> None:
    batches = (
        _batch(_product(0), _product(1), partition=0),
        _batch(None, partition=1),
        _batch(_product(2, title), None, partition=2),
    )
    recalled = await _recalled_in(tmp_path, dict(enumerate(batches)))
    values = [message.value for message in recalled.of(CANDIDATES.name)]

    async def ranked(*groups: list[bytes | None]) -> list[tuple[str, bytes | None, bytes | None]]:
        with _context(tmp_path) as context:
            stage = RankingStage(context)
            stage.rereading.begin(dict.fromkeys(range(3), 0))
            for group in groups:
                await stage.run(_waiting(*group))
                await stage.drain(10)
            sink: Any = context.sink
        return sorted(((item.topic, item.key, item.value) for item in sink.messages), key=repr)

    alone = [[value] for value in values]
    assert await ranked([values[0], b"{", *values[1:]]) == await ranked(*alone)


async def test_one_product_that_recall_chokes_on_fails_alone(tmp_path: Path) -> None:
    sink = await _recalled(tmp_path, _batch(_product(0), _product(1, "choke in recall"), _product(2)))
    batch = decode(sink.of(CANDIDATES.name)[0].value, CandidateBatch)
    assert [product.offset for product in batch.products] == [0, 2]
    failed = batch.settled[-1]
    assert (failed.offset, failed.outcome) == (1, Outcome.FAILED)
    assert failed.detail == "recall: ZeroDivisionError: no such luck"


async def test_what_failed_is_tried_again_when_it_is_sent_anew(tmp_path: Path) -> None:
    bad = _product(0, "choke in recall")
    sink = await _recalled(tmp_path, _batch(bad), _batch(bad, first=10))
    outcomes = [_outcomes(message) for message in sink.of(BATCHES_COMPLETED.name)]
    assert [found[offset] for found, offset in zip(outcomes, (0, 10), strict=True)] == [Outcome.FAILED] * 2


async def test_a_batch_with_nothing_to_rank_is_completed_by_recall(tmp_path: Path) -> None:
    sink = await _recalled(tmp_path, _batch(_product(0)), _batch(_product(0), first=10))
    (message,) = sink.of(BATCHES_COMPLETED.name)
    assert message.partition == _PARTITION
    assert _outcomes(message) == {10: Outcome.UNCHANGED, 100: Outcome.DEAD_LETTER}


async def test_a_probe_passes_through_both_stages_and_ranking_answers_it(tmp_path: Path) -> None:
    probe = encode(
        ProductBatch(
            batch_id="probe",
            source_topic="products.changed.v1",
            source_partition=_PARTITION,
            attempt=1,
            products=[],
            probe=True,
        )
    )
    assert not (await _recalled(tmp_path, probe)).of(BATCHES_COMPLETED.name)
    (message,) = (await _ranked(tmp_path, probe)).of(BATCHES_COMPLETED.name)
    completed = decode(message.value, BatchCompleted)
    assert (completed.batch_id, completed.outcomes) == ("probe", [])


async def test_a_batch_that_is_delivered_again_is_decided_again(tmp_path: Path) -> None:
    sink = await _recalled(tmp_path, _batch(_product(0)), _batch(_product(0)))
    assert len(sink.of(CANDIDATES.name)) == 2


async def test_an_event_that_repeats_one_of_its_own_batch_is_decided_though_that_one_is_on_record(
    tmp_path: Path,
) -> None:
    """A worker records the first and dies; its successor packs both together, and leaves out the first."""
    first, repeat = (SourceEvent(offset, 1_700_000_000_000, b"p0", encode(_product(0)), []) for offset in (0, 1))
    together = pack("products.changed.v1", _PARTITION, [first, repeat]).message
    assert [event.offset for event in together.products] == [1]
    alone = pack("products.changed.v1", _PARTITION, [first]).message
    later = (await _recalled(tmp_path, encode(alone), encode(together))).of(CANDIDATES.name)[-1]
    assert [product.offset for product in decode(later.value, CandidateBatch).products] == [1]


async def test_an_event_whose_repeat_on_record_was_left_out_of_an_earlier_batch_is_decided(tmp_path: Path) -> None:
    """A worker records the first and its repeat, and dies; its successor packs the first with the tombstone."""
    values = (encode(_product(0)), None, encode(_product(0)))
    first, tombstone, repeat = (
        SourceEvent(offset, 1_700_000_000_000, b"p0", value, []) for offset, value in enumerate(values)
    )
    cuts = ([first], [tombstone, repeat], [first, tombstone], [repeat])
    batches = [encode(pack("products.changed.v1", _PARTITION, cut).message) for cut in cuts]
    (_, last) = (await _recalled(tmp_path, *batches)).of(CANDIDATES.name)
    assert [product.offset for product in decode(last.value, CandidateBatch).products] == [2]


async def test_a_batch_on_a_foreign_partition_is_refused(context: ModelContext, sink: _Sink) -> None:
    stage = RecallStage(context, ProductRecords(_no_records()))
    with pytest.raises(InvalidEvent, match="came on 1"):
        await process(stage, _batch(_product(0)), LogPlace("t", 1, 0))
    assert sink.messages == []


async def test_decisions_leave_before_the_completion_that_lists_them(tmp_path: Path) -> None:
    sink = await _ranked(tmp_path, _batch(_product(0), _product(1)))
    assert [message.topic for message in sink.messages] == [CATEGORIES_ASSIGNED.name] * 2 + [
        BATCHES_COMPLETED.name
    ]
    decision = decode(sink.messages[0].value, CategoryAssigned)
    headers = dict(sink.messages[0].headers)
    assert headers["ce_id"].decode() == decision.decision_id
    assert headers["ce_subject"] == b"p0"
    expected = {0: Outcome.ASSIGNED, 1: Outcome.ASSIGNED, 100: Outcome.DEAD_LETTER}
    assert _outcomes(sink.messages[-1]) == expected


async def test_a_removed_product_becomes_a_tombstone_in_both_topics(tmp_path: Path) -> None:
    sink = await _ranked(tmp_path, _batch(None))
    tombstones = sink.messages[:-1]
    assert [message.topic for message in tombstones] == [CATEGORIES_ASSIGNED.name, CATEGORIES_NEEDS_REVIEW.name]
    assert all(message.value is None and message.key == b"p0" for message in tombstones)
    assert _outcomes(sink.messages[-1])[0] is Outcome.REMOVED


async def test_one_product_that_ranking_chokes_on_fails_alone(tmp_path: Path) -> None:
    sink = await _ranked(tmp_path, _batch(_product(0), _product(1, "choke in ranking"), _product(2)))
    outcomes = _outcomes(sink.messages[-1])
    assert [outcomes[offset] for offset in range(3)] == [Outcome.ASSIGNED, Outcome.FAILED, Outcome.ASSIGNED]


async def test_candidates_of_another_model_are_left_to_be_sent_again(
    context: ModelContext, sink: _Sink, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (message,) = (await _recalled(tmp_path, _batch(_product(0)))).of(CANDIDATES.name)
    foreign = encode(msgspec.structs.replace(decode(message.value, CandidateBatch), model_version="model 2"))
    stage = _new_ranking(context)
    await process(stage, foreign, _place(0))
    await process(stage, foreign, _place(1))
    await stage.drain(10)
    assert sink.messages == []
    assert len([record for record in caplog.records if "model 2" in record.getMessage()]) == 1


async def test_candidates_of_the_models_before_and_after_are_decided_by_their_own(
    context: ModelContext, sink: _Sink, tmp_path: Path
) -> None:
    values = [
        await _candidates(
            tmp_path, batch_id=str(number), source_partition=number, model_version=f"model {1 + number % 2}"
        )
        for number in range(3)
    ]
    with _later(context, confidence=0.97) as later:
        _models(context).add(later)
        stage = RankingStage(context)
        await stage.run(_waiting(*values))
        await stage.drain(10)
    decided = [decode(item.value, CategoryAssigned) for item in sink.of(CATEGORIES_ASSIGNED.name)]
    assert [(item.source.partition, item.model_version, item.confidence) for item in decided] == [
        (0, "model 1", 0.99),
        (1, "model 2", 0.97),
        (2, "model 1", 0.99),
    ]


async def test_candidates_bear_the_model_that_found_them_though_another_takes_over_meanwhile(
    context: ModelContext, sink: _Sink, monkeypatch: pytest.MonkeyPatch
) -> None:
    candidates = _Model.candidates

    def turn(self: _Model, products: Sequence[Product], statistics: object) -> Candidates:
        _models(context).switch_to(later)
        return candidates(self, products, statistics)

    monkeypatch.setattr(_Model, "candidates", turn)
    with _later(context) as later:
        stage = RecallStage(context, ProductRecords(_no_records()))
        for place in range(2):
            await process(stage, _batch(_product(place), first=place), _place(place))
        await stage.drain(10)
    batches = _candidate_batches(sink)
    assert [batch.model_version for batch in batches] == ["model 1", "model 2"]


async def _candidates(tmp_path: Path, **changes: object) -> bytes:
    (message,) = (await _recalled(tmp_path, _batch(_product(0)))).of(CANDIDATES.name)
    return encode(msgspec.structs.replace(decode(message.value, CandidateBatch), **changes))


async def test_a_batch_that_comes_again_after_it_was_decided_gets_its_completion_again_and_no_second_decision(
    context: ModelContext, sink: _Sink, tmp_path: Path
) -> None:
    first, again = [await _candidates(tmp_path, generation=3, attempt=attempt) for attempt in (1, 2)]
    stage = _new_ranking(context)
    for place, value in enumerate((first, again)):
        await process(stage, value, _place(place))
        await stage.drain(10)
    sent = sink.messages
    assert [message.topic for message in sent] == [CATEGORIES_ASSIGNED.name] + [BATCHES_COMPLETED.name] * 2
    assert sent[1] is sent[2]


async def test_a_first_attempt_is_always_decided_for_a_topic_made_anew_bears_the_ids_of_the_old(
    context: ModelContext, sink: _Sink, tmp_path: Path
) -> None:
    value = await _candidates(tmp_path, generation=3)
    stage = _new_ranking(context)
    for place in range(2):
        await process(stage, value, _place(place))
        await stage.drain(10)
    assert len(sink.of(CATEGORIES_ASSIGNED.name)) == 2


class _Past:
    """All batches were done before."""

    async def start(self) -> None:
        pass

    async def passed(self, batch: object) -> bool:
        return True


async def test_what_is_over_and_done_with_is_recorded_and_not_recalled(context: ModelContext, sink: _Sink) -> None:
    past = replace(context, progress=_Past())
    records: dict[bytes, bytes] = {}
    await process(RecallStage(past, ProductRecords(lambda _: records)), _batch(_product(0)), _place(0))
    assert list(records) == [b"p0"]
    assert sink.messages == []


async def test_a_decision_without_a_sure_category_asks_for_review(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    unsure = Prediction(Outcome.NEEDS_REVIEW, None, 0.3, 0.3, ((1, 0.3),), ())
    monkeypatch.setattr(_Model, "decide", lambda _self, candidates: [unsure] * len(candidates))
    sink = await _ranked(tmp_path, _batch(_product(0)))
    (message,) = sink.of(CATEGORIES_NEEDS_REVIEW.name)
    assert decode(message.value, NeedsReview).reason == "low_confidence"


async def test_candidates_leave_only_when_the_records_of_their_products_are_safe(
    context: ModelContext, sink: _Sink
) -> None:
    seen: list[tuple[list[bytes], int]] = []
    records: dict[bytes, bytes] = {}

    async def arrived() -> None:
        seen.append((list(records), len(sink.messages)))

    stage = RecallStage(context, ProductRecords(lambda _: records, arrived=arrived))
    await process(stage, _batch(_product(0)), _place(0))
    await stage.drain(10)
    assert len(sink.messages) == 1
    assert seen == [([b"p0"], 0)]


async def test_batches_are_recalled_while_records_are_under_way_and_leave_in_their_order(
    context: ModelContext, sink: _Sink
) -> None:
    sent_early: list[int] = []
    arrivals: list[asyncio.Future[None]] = []

    def arrived() -> asyncio.Future[None]:
        arrivals.append(asyncio.get_running_loop().create_future())
        return arrivals[-1]

    stage = RecallStage(context, ProductRecords(_no_records(), arrived=arrived))
    for place in range(3):
        await process(stage, _batch(_product(place), first=place), _place(place))
    await asyncio.sleep(0)
    for arrival in reversed(arrivals):
        sent_early.append(len(sink.messages))
        arrival.set_result(None)
        await asyncio.sleep(0)
    await stage.drain(10)
    batches = _candidate_batches(sink)
    assert [batch.products[0].offset for batch in batches] == [0, 1, 2]
    assert sent_early == [0, 0, 0]


async def test_candidates_whose_records_did_not_arrive_stay_and_keep_no_others_back(
    context: ModelContext, sink: _Sink, caplog: pytest.LogCaptureFixture
) -> None:
    failures = [KafkaException(KafkaError(KafkaError.MSG_SIZE_TOO_LARGE)), None]

    async def arrived() -> None:
        if (failure := failures.pop(0)) is not None:
            raise failure

    stage = RecallStage(context, ProductRecords(_no_records(), arrived=arrived))
    for place in range(2):
        await process(stage, _batch(_product(place), first=place), _place(place))
    await stage.drain(10)
    (batch,) = _candidate_batches(sink)
    assert batch.products[0].offset == 1
    assert "did not leave recall" in caplog.text
