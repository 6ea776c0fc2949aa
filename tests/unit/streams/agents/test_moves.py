"""A consumer that keeps the last value of each key of both topics of decisions sees one decision a product."""

from __future__ import annotations

import asyncio
import random
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from schemas.events.batch import BatchCompleted, Outcome, ProductBatch
from schemas.events.codec import decode, encode
from schemas.events.decision import CategoryAssigned, NeedsReview
from schemas.events.product import Product
from schemas.taxonomy.tree import Taxonomy
from schemas.topics import (
    BATCHES_COMPLETED,
    CANDIDATES,
    CATEGORIES_ASSIGNED,
    CATEGORIES_NEEDS_REVIEW,
    PRODUCTS_BATCHED,
)
from streams.agents.gathering import LocalBatch
from streams.agents.handover import Handover
from streams.agents.model_context import ModelContext
from streams.agents.ranking import RankingStage
from streams.agents.recall import RecallStage
from streams.agents.rereading import LogPlace
from streams.agents.sifting import ProductRecords
from streams.health import Health
from streams.intake.packer import PackedBatch, SourceEvent, pack
from streams.local_flow import LocalFlow
from streams.metrics import Metrics
from streams.model_process.models import Models
from streams.outgoing import Outgoing
from streams.progress import Mark
from streams.settings import Settings
from tests.agent_fakes import Log, ModelInThread, one_candidate, process
from workers.ranking.ranking import Prediction
from workers.recall.candidates import Candidates

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

    def decide(self, candidates: Candidates) -> list[Prediction]:
        sure = Prediction(Outcome.ASSIGNED, 1, 0.99, 0.99, ((1, 0.99),), ())
        unsure = Prediction(Outcome.NEEDS_REVIEW, None, 0.3, 0.3, ((1, 0.3),), ())
        return [self._chance.choice((sure, unsure)) for _ in range(len(candidates))]


class _Broker(Log):
    """Keeps the last value of each key, all candidates and all completions, as logs do; acknowledges at once."""

    def __init__(self) -> None:
        super().__init__()
        self.latest: dict[str, dict[bytes, bytes | None]] = {
            CATEGORIES_ASSIGNED.name: {},
            CATEGORIES_NEEDS_REVIEW.name: {},
        }
        self.candidates: list[bytes] = []
        self.completed: list[BatchCompleted] = []

    def take(self, messages: Sequence[Outgoing]) -> None:
        for message in messages:
            if message.topic in self.latest and message.key is not None:
                self.latest[message.topic][message.key] = message.value
            if message.topic == CANDIDATES.name and message.value is not None:
                self.candidates.append(message.value)
            if message.topic == BATCHES_COMPLETED.name:
                self.completed.append(decode(message.value, BatchCompleted))


class _Marks:
    """What intake has committed, and what the stages have heard of it: that comes late."""

    def __init__(self) -> None:
        self.committed = self.heard = Mark(0, 0)

    async def start(self) -> None:
        pass

    def hear(self) -> None:
        self.heard = self.committed

    async def passed(self, batch: Any) -> bool:
        if batch.generation > (self.heard.generation or 0):
            self.heard = self.committed
        return self.heard.passed(batch)


class _Killed(Exception):
    """Recall died after it recorded a batch, and before it sent the candidates."""


class _Intake:
    """Packs events into batches, and packs those that were not committed anew when it starts anew.

    ``batched`` is the topic of batches, ``local`` leads to recall of the same process, if that has the partition.
    """

    def __init__(self, broker: _Broker, marks: _Marks, flow: LocalFlow) -> None:
        self._broker, self._marks, self._flow = broker, marks, flow
        self.source: list[SourceEvent] = []
        self.batched: list[bytes] = []
        self.local: deque[ProductBatch] | None = None
        self._start()

    def _start(self) -> None:
        self._window: list[PackedBatch] = []
        self._next = self._marks.committed.offset
        self._heard = len(self._broker.completed)
        self._through_kafka: set[str] = set()
        self._flow.assigned(0, self._marks.committed.generation)

    def start_again(self) -> None:
        generation = max(len(self.batched), (self._marks.committed.generation or 0) + 1)
        self._marks.committed = replace(self._marks.committed, generation=generation)
        self._start()

    def close_local(self) -> None:
        """Recall of this process lost the partition: what it had not begun with goes through Kafka."""
        returned, self.local = self.local or (), None
        for batch in returned:
            self._send_through_kafka(batch)

    def publish_some(self, chance: random.Random) -> None:
        for _ in range(chance.randint(1, 4)):
            product_id = chance.choice("aab")
            content = encode(Product(product_id=product_id, title=chance.choice(("one", "two"))))
            value = None if chance.random() < 0.3 else content
            self.source.append(SourceEvent(len(self.source), 1_700_000_000_000, product_id.encode(), value, []))

    def pack(self, count: int) -> None:
        if self.local is not None and self._through_kafka & self._awaited():
            return
        if events := self.source[self._next :][:count]:
            self._window.append(pack(_SOURCE, 0, events))
            self._next += len(events)
            self._send(self._window[-1], attempt=1)

    def send_again(self, chance: random.Random) -> None:
        if self._window:
            self._send(chance.choice(self._window), attempt=2)

    def send_all_again(self) -> None:
        for batch in self._window:
            self._send(batch, attempt=2)

    def _send(self, batch: PackedBatch, attempt: int) -> None:
        generation = self._marks.committed.generation
        message = msgspec.structs.replace(batch.message, attempt=attempt, generation=generation)
        if self.local is None:
            self._send_through_kafka(message)
        else:
            self._through_kafka.discard(message.batch_id)
            self.local.append(message)

    def _send_through_kafka(self, message: ProductBatch) -> None:
        self._through_kafka.add(message.batch_id)
        self.batched.append(encode(message))

    def _awaited(self) -> set[str]:
        done = {completed.batch_id for completed in self._broker.completed[self._heard :]}
        return {batch.message.batch_id for batch in self._window} - done

    def commit(self) -> None:
        """Commit what has been completed without a gap; a batch packed alike has the id of an earlier one."""
        done = {completed.batch_id for completed in self._broker.completed[self._heard :]}
        while self._window and self._window[0].message.batch_id in done:
            offset = self._window.pop(0).last_offset + 1
            self._marks.committed = replace(self._marks.committed, offset=offset)


class _Stages:
    """Recall and ranking, which crash and read again from what Faust had committed.

    Each life of recall is that of a process of its own, or of one that ranks too, and hands over directly, or of
    one that has the partition's intake as well, and is handed over to.
    """

    def __init__(self, context: ModelContext, broker: _Broker, intake: _Intake, chance: random.Random) -> None:
        self._context, self._broker, self._intake, self._chance = context, broker, intake, chance
        self._records: dict[bytes, bytes] = {}
        self._recall_saved = self._ranking_saved = 0
        self._dies = False
        self._start_ranking()
        self._start_recall()

    def _start_recall(self) -> None:
        self._joined = self._chance.random() < 0.6
        self._intake.local = deque() if self._joined and self._chance.random() < 0.6 else None
        self._recalled = self._recall_saved
        self._arrived = len(self._broker.candidates)
        self._recall = RecallStage(
            self._context,
            ProductRecords(lambda _: self._records, arrived=self._die_or_go_on),
            Handover(self._ranking, self._undecided) if self._joined else None,
        )
        self._recall.rereading.begin({0: len(self._intake.batched)})

    def _kill_recall(self, chance: random.Random) -> None:
        """Start it anew; what it sent last may not have left."""
        del self._broker.candidates[chance.randint(self._arrived, len(self._broker.candidates)) :]
        with_intake = self._intake.local is not None
        if self._joined:
            self._start_ranking()
        self._start_recall()
        if with_intake:
            self._intake.start_again()

    def leave(self) -> None:
        """Another process is given recall's partition, and intake sends what was not begun with there."""
        if self._intake.local is not None:
            self._intake.close_local()
            self._start_recall()

    def _undecided(self, _partition: int) -> int:
        return len(self._broker.candidates) - self._ranking_saved

    async def _die_or_go_on(self) -> None:
        if self._dies:
            raise _Killed

    def _start_ranking(self) -> None:
        self._ranked = self._ranking_saved
        self._ranking = RankingStage(self._context)
        self._ranking.rereading.begin({0: len(self._broker.candidates)})

    async def recall(self, count: int) -> None:
        if self._joined:
            # What it would wait for.
            await self.rank(len(self._broker.candidates))
            self._ranking_saved = self._ranked
        for _ in range(count):
            log, local = self._intake.batched[self._recalled :], self._intake.local
            if local and (not log or self._chance.random() < 0.5):
                await self._recall_local(local.popleft())
            elif log:
                await process(self._recall, log[0], LogPlace(PRODUCTS_BATCHED.name, 0, self._recalled))
                self._recalled += 1
            await self._recall.drain(10)
            await self._ranking.drain(10)

    async def _recall_local(self, batch: ProductBatch) -> None:
        prepared = await self._recall.prepare_item(LocalBatch(batch))
        if prepared is not None:
            await self._recall.finish([prepared])

    async def die_in_recall(self, chance: random.Random) -> None:
        """Record batches, of which the first records arrive, and send nothing of them."""
        states = [dict(self._records)]
        self._dies = True
        for _ in range(chance.randint(1, 3)):
            await self.recall(1)
            states.append(dict(self._records))
        self._dies = False
        arrived = chance.randrange(len(states) - 1)
        of_the_next = {key: value for key, value in states[arrived + 1].items() if chance.random() < 0.5}
        self._records = states[arrived] | of_the_next
        self._kill_recall(chance)

    async def rank(self, count: int) -> None:
        for value in self._broker.candidates[self._ranked :][:count]:
            place = LogPlace(CANDIDATES.name, 0, self._ranked)
            await process(self._ranking, value, place)
            await self._ranking.drain(10)
            self._ranked += 1
            self._arrived = max(self._arrived, self._ranked)

    def save(self, chance: random.Random) -> None:
        """Faust commits what was read."""
        self._recall_saved = chance.randint(self._recall_saved, self._recalled)
        self._ranking_saved = chance.randint(self._ranking_saved, self._ranked)

    def crash(self, chance: random.Random) -> None:
        """Some start anew, or all."""
        together = chance.random() < 0.5
        if together or chance.random() < 0.5:
            self._kill_recall(chance)
        if not self._joined and (together or chance.random() < 0.5):
            self._start_ranking()
        if together or chance.random() < 0.5:
            self._intake.start_again()

    async def settle(self) -> None:
        """Decide all that was published: what is not completed intake sends again."""
        self._intake.pack(len(self._intake.source))
        for _ in range(2):
            self._intake.pack(len(self._intake.source))
            await self.recall(len(self._intake.batched) + len(self._intake.local or ()))
            await self.rank(len(self._broker.candidates))
            self._intake.commit()
            self._intake.send_all_again()


_STEPS = ["publish", "pack", "recall", "rank", "commit", "save", "crash"] * 2 + [
    "settle",
    "hear",
    "again",
    "die",
    "leave",
]
_LIFE = ["publish", "pack", "pack", "recall", "recall", "rank", "commit", "save", "crash"]


def _steps(lives: Sequence[Sequence[bool]], more: Sequence[tuple[int, str]]) -> list[str]:
    """Return what happens in lives, each of which ends in a crash, and between."""
    steps = [step for life in lives for step, happens in zip(_LIFE, life, strict=True) if happens]
    for place, step in more:
        steps.insert(place % (len(steps) + 1), step)
    return steps


@settings(max_examples=500, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.lists(st.booleans(), min_size=len(_LIFE), max_size=len(_LIFE)), max_size=5),
    st.lists(st.tuples(st.integers(0, 50), st.sampled_from(_STEPS)), max_size=20),
    st.integers(0, 2**32),
)
def test_one_topic_alone_holds_a_product_and_it_holds_its_latest_event(
    tmp_path: Path, lives: list[list[bool]], more: list[tuple[int, str]], seed: int
) -> None:
    chance = random.Random(seed)
    broker, marks = _Broker(), _Marks()
    flow = LocalFlow()
    intake = _Intake(broker, marks, flow)

    async def scenario() -> None:
        sink: Any = broker
        settings = Settings(data_dir=tmp_path)
        with ModelInThread(_Fickle(chance), settings) as model:
            context = ModelContext(settings, sink, Metrics(), Health(), Models(model), marks, flow)
            stages = _Stages(context, broker, intake, chance)
            for step in _steps(lives, more):
                await _take(intake, stages, marks, step, chance)
            await stages.settle()

    asyncio.run(scenario())
    assert marks.committed.offset == len(intake.source)
    last = {(event.key or b"").decode(): event.value for event in intake.source}
    assigned, review = (
        {key.decode(): value for key, value in values.items() if value is not None}
        for values in broker.latest.values()
    )
    assert assigned.keys().isdisjoint(review)
    assert assigned.keys() | review.keys() == {name for name, value in last.items() if value is not None}
    for found, kind in ((assigned, CategoryAssigned), (review, NeedsReview)):
        for product_id, value in found.items():
            assert intake.source[decode(value, kind).source.offset].value == last[product_id]


async def _take(intake: _Intake, stages: _Stages, marks: _Marks, step: str, chance: random.Random) -> None:
    deeds: dict[str, Callable[[], Awaitable[None] | None]] = {
        "publish": lambda: intake.publish_some(chance),
        "pack": lambda: intake.pack(chance.randint(1, 4)),
        "recall": lambda: stages.recall(chance.randint(1, 3)),
        "rank": lambda: stages.rank(chance.randint(1, 3)),
        "settle": stages.settle,
        "commit": intake.commit,
        "hear": marks.hear,
        "save": lambda: stages.save(chance),
        "again": lambda: intake.send_again(chance),
        "crash": lambda: stages.crash(chance),
        "die": lambda: stages.die_in_recall(chance),
        "leave": stages.leave,
    }
    work = deeds[step]()
    if work is not None:
        await work
