"""A consumer that keeps the last value of each key of both topics of decisions sees one decision a product."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from schemas.events.batch import BatchedProduct, Outcome, ProductBatch
from schemas.events.codec import decode, encode
from schemas.events.decision import CategoryAssigned, NeedsReview
from schemas.events.product import Product
from schemas.taxonomy.tree import Taxonomy
from schemas.topics import CANDIDATES, CATEGORIES_ASSIGNED, CATEGORIES_NEEDS_REVIEW, PRODUCTS_BATCHED
from streams.agents.context import Context
from streams.agents.ranking import RankingStage
from streams.agents.recall import RecallStage
from streams.agents.rereading import LogPlace
from streams.health import Health
from streams.metrics import Metrics
from streams.outgoing import Outgoing
from streams.progress import Mark
from streams.settings import Settings
from tests.agent_fakes import one_candidate
from workers.candidates import Candidates
from workers.ranking.ranking import Verdict
from workers.statistics import NoStatistics

pytestmark = pytest.mark.unit

_TREE = Taxonomy.from_paths("tree", "1", [("Home", "Lamps")])
_SOURCE = "products.changed.v1"


class _Fickle:
    """A model that decides at random: as if the statistics moved between two deliveries of one event."""

    model_version = "model 1"
    taxonomy = _TREE

    def __init__(self, chance: random.Random) -> None:
        self.recall = self
        self.ranking = self
        self._chance = chance

    def candidates(self, products: Sequence[Product], _statistics: object) -> Candidates:
        return one_candidate(products)

    def decide(self, candidates: Candidates) -> list[Verdict]:
        sure = Verdict(Outcome.ASSIGNED, 1, 0.99, 0.99, ((1, 0.99),), ())
        unsure = Verdict(Outcome.NEEDS_REVIEW, None, 0.3, 0.3, ((1, 0.3),), ())
        return [self._chance.choice((sure, unsure)) for _ in range(len(candidates))]


class _Broker:
    """Keeps the last value of each key, and all candidates, as logs do; acknowledges at once."""

    def __init__(self) -> None:
        self.latest: dict[str, dict[bytes, bytes | None]] = {
            CATEGORIES_ASSIGNED.name: {},
            CATEGORIES_NEEDS_REVIEW.name: {},
        }
        self.candidates: list[bytes] = []

    async def submit(self, messages: Sequence[Outgoing]) -> asyncio.Future[None]:
        for message in messages:
            if message.topic in self.latest and message.key is not None:
                self.latest[message.topic][message.key] = message.value
            if message.topic == CANDIDATES.name and message.value is not None:
                self.candidates.append(message.value)
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        future.set_result(None)
        return future

    async def send_all(self, messages: Sequence[Outgoing]) -> None:
        await (await self.submit(messages))


class _Marks:
    """What intake has committed, and what the stages have heard of it: that comes late."""

    def __init__(self) -> None:
        self.committed = self.heard = Mark(0, 0)

    async def start(self) -> None:
        pass

    async def passed(self, batch: Any) -> bool:
        if batch.generation > (self.heard.generation or 0):
            self.heard = self.committed
        return self.heard.passed(batch)


class _Stream:
    """Events, each a batch; recall and ranking that crash and read again from what Faust had committed."""

    def __init__(self, context: Context, broker: _Broker, marks: _Marks) -> None:
        self._context, self._broker, self._marks = context, broker, marks
        self.source: list[tuple[str, bytes]] = []
        self._batched: list[bytes] = []
        self._saved_records: dict[bytes, bytes] = {}
        self._recall_saved = self._ranking_saved = 0
        self._start_recall()
        self._start_ranking()

    def _start_recall(self) -> None:
        self._records = dict(self._saved_records)
        self._recalled = self._recall_saved
        self._recall = RecallStage(self._context, NoStatistics(), self._records)
        self._recall.rereading.begin({0: len(self._batched)})

    def _start_ranking(self) -> None:
        self._ranked = self._ranking_saved
        self._ranking = RankingStage(self._context)
        self._ranking.rereading.begin({0: len(self._broker.candidates)})

    def publish(self, product_id: str, value: bytes) -> None:
        self.source.append((product_id, value))
        self._send(len(self.source) - 1)

    def _send(self, offset: int, attempt: int = 1) -> None:
        product_id, value = self.source[offset]
        batch = ProductBatch(
            batch_id=str(offset),
            source_topic=_SOURCE,
            source_partition=0,
            attempt=attempt,
            products=[BatchedProduct(offset, 1_700_000_000_000, product_id, msgspec.Raw(value))],
            generation=self._marks.committed.generation,
        )
        self._batched.append(encode(batch))

    def send_again(self, chance: random.Random) -> None:
        if self._marks.committed.offset < len(self.source):
            self._send(chance.randrange(self._marks.committed.offset, len(self.source)), attempt=2)

    async def recall(self, count: int) -> None:
        for value in self._batched[self._recalled :][:count]:
            place = LogPlace(PRODUCTS_BATCHED.name, 0, self._recalled)
            await self._recall.process(value, place)
            self._recalled += 1

    async def rank(self, count: int) -> None:
        for value in self._broker.candidates[self._ranked :][:count]:
            place = LogPlace(CANDIDATES.name, 0, self._ranked)
            await self._ranking.process(value, place)
            await self._ranking.drain(10)
            self._ranked += 1

    async def settle(self) -> None:
        """Decide all that was sent, and let intake commit it."""
        await self.recall(len(self._batched))
        await self.rank(len(self._broker.candidates))
        self._marks.committed = replace(self._marks.committed, offset=len(self.source))

    def hear(self) -> None:
        self._marks.heard = self._marks.committed

    def save(self, chance: random.Random) -> None:
        """Faust commits: the tables' changelog is flushed with the offsets."""
        self._saved_records, self._recall_saved = dict(self._records), self._recalled
        self._ranking_saved = chance.randint(self._ranking_saved, self._ranked)

    def crash(self, chance: random.Random) -> None:
        """Some stages start anew; a new intake sends what was not committed, as of another generation."""
        if chance.random() < 0.5:
            self._start_recall()
        if chance.random() < 0.7:
            self._start_ranking()
        if chance.random() < 0.5:
            self._marks.committed = replace(self._marks.committed, generation=len(self._batched))
            for offset in range(self._marks.committed.offset, len(self.source)):
                self._send(offset)


_STEPS = ["publish"] * 3 + ["recall"] * 2 + ["rank"] * 2 + ["settle", "hear", "save", "again", "crash"]


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.lists(st.sampled_from(_STEPS), min_size=5, max_size=60), st.integers(0, 2**32))
def test_one_topic_alone_holds_a_product_and_it_holds_its_latest_event(
    tmp_path: Path, steps: list[str], seed: int
) -> None:
    chance = random.Random(seed)
    broker, marks = _Broker(), _Marks()

    async def scenario() -> list[tuple[str, bytes]]:
        fakes: Any = (_Fickle(chance), broker)
        with ThreadPoolExecutor(1) as compute:
            context = Context(Settings(data_dir=tmp_path), fakes[0], compute, fakes[1], Metrics(), Health(), marks)
            stream = _Stream(context, broker, marks)
            for step in steps:
                await _take(stream, step, chance)
            await stream.settle()
        return stream.source

    source = asyncio.run(scenario())
    newest = {product_id: offset for offset, (product_id, _) in enumerate(source)}
    last = dict(source)
    assigned, review = (
        {key.decode(): value for key, value in values.items() if value is not None}
        for values in broker.latest.values()
    )
    assert assigned.keys().isdisjoint(review)
    assert assigned.keys() | review.keys() == {name for name, value in last.items() if value != b"null"}
    for found, kind in ((assigned, CategoryAssigned), (review, NeedsReview)):
        for product_id, value in found.items():
            decided = decode(value, kind).source.offset
            assert source[decided] == source[newest[product_id]]


async def _take(stream: _Stream, step: str, chance: random.Random) -> None:
    match step:
        case "publish":
            product_id = chance.choice("ab")
            content = Product(product_id=product_id, title=chance.choice(("one", "two", "three")))
            stream.publish(product_id, b"null" if chance.random() < 0.15 else encode(content))
        case "recall":
            await stream.recall(chance.randint(1, 3))
        case "rank":
            await stream.rank(chance.randint(1, 3))
        case "settle":
            await stream.settle()
        case "hear":
            stream.hear()
        case "save":
            stream.save(chance)
        case "again":
            stream.send_again(chance)
        case "crash":
            stream.crash(chance)
