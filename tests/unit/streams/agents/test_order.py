"""However the events of a product are cut into batches, it ends as if they had been worked on one by one."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from schemas.events.batch import BatchCompleted, CandidateBatch
from schemas.events.codec import decode, encode
from schemas.events.product import Product
from schemas.events.sent_again import headers_again
from schemas.topics import BATCHES_COMPLETED, CANDIDATES
from streams.agents.model_context import ModelContext
from streams.agents.recall import RecallStage
from streams.agents.rereading import LogPlace
from streams.agents.sifting import ProductRecords
from streams.health import Health
from streams.intake.packer import SourceEvent, pack
from streams.metrics import Metrics
from streams.model_process.models import Models
from streams.settings import Settings
from tests.agent_fakes import Log, ModelInThread, one_candidate, process
from workers.history import REMOVED, ProductRecord
from workers.recall.candidates import Candidates

_START = datetime(2026, 1, 1, tzinfo=UTC)


class Edit(NamedTuple):
    """An edit of the one product: its date, if it has one, and its title, or ``None`` for a tombstone."""

    day: int | None
    title: str | None


class Again(NamedTuple):
    """An earlier event, by its number, published once more."""

    number: int


class _Recall:
    model_version = "model 1"

    def __init__(self) -> None:
        self.recall = self

    def candidates(self, products: Sequence[Product], _statistics: object) -> Candidates:
        return one_candidate(products)


def published(steps: Sequence[Edit | Again]) -> list[SourceEvent]:
    found: list[SourceEvent] = []
    for offset, step in enumerate(steps):
        if isinstance(step, Edit):
            date = None if step.day is None else _START + timedelta(days=step.day)
            product = None if step.title is None else Product(product_id="p", title=step.title, updated_at=date)
            found.append(SourceEvent(offset, 0, b"p", None if product is None else encode(product), []))
        elif found:
            first = found[step.number % len(found)]
            headers = headers_again(first.headers, first.offset)
            found.append(SourceEvent(len(found), 0, b"p", first.value, headers))
    return [event._replace(offset=offset) for offset, event in enumerate(found)]


def standing(steps: Sequence[Edit | Again]) -> str | None:
    """Return the title that stands, ``None`` where the product is removed: copies say nothing new."""
    newest, title = -1, None
    for step in steps:
        if isinstance(step, Edit) and (step.day is None or step.title is None or step.day >= newest):
            title = step.title
            newest = max(newest, -1 if step.day is None or step.title is None else step.day)
    return title


class End(NamedTuple):
    """What recall remembers of the product, and the place of the event that was decided last."""

    record: ProductRecord
    decided: int | None
    outcomes: list[int]


def worked_on(events: Sequence[SourceEvent], cuts: Sequence[int], directory: Path) -> End:
    bounds = [0, *sorted({cut for cut in cuts if 0 < cut < len(events)}), len(events)]
    records: dict[bytes, bytes] = {}
    log = Log()

    async def scenario() -> None:
        sink: Any = log
        settings = Settings(data_dir=directory)
        with ModelInThread(_Recall(), settings) as model:
            context = ModelContext(settings, sink, Metrics(), Health(), Models(model))
            stage = RecallStage(context, ProductRecords(lambda _: records))
            for number, (start, end) in enumerate(pairwise(bounds)):
                batch = pack("products.changed.v1", 0, events[start:end]).message
                await process(stage, encode(batch), LogPlace("t", 0, number))
            await stage.drain(10)

    asyncio.run(scenario())
    decided, outcomes = None, []
    for message in log.messages:
        if message.topic == CANDIDATES.name:
            batch = decode(message.value, CandidateBatch)
            assert len(batch.products) == 1
            decided = batch.products[0].offset
            outcomes += [decided, *(outcome.offset for outcome in batch.settled)]
        if message.topic == BATCHES_COMPLETED.name:
            outcomes += [outcome.offset for outcome in decode(message.value, BatchCompleted).outcomes]
    return End(decode(records[b"p"], ProductRecord), decided, sorted(outcomes))


_DAYS = st.none() | st.integers(0, 3)
_EDITS = st.builds(Edit, _DAYS, st.sampled_from(("Cup", "Mug"))) | st.just(Edit(None, None))
_STEPS = st.lists(_EDITS | st.builds(Again, st.integers(0, 9)), min_size=1, max_size=8)


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
@example([Edit(10, "A"), Edit(None, None), Edit(5, "C")], [1])
@example([Edit(10, "A"), Edit(None, "B"), Edit(5, "C")], [1])
@example([Edit(10, "A"), Edit(None, None), Edit(11, "C")], [1])
@example([Edit(None, "A"), Edit(None, "B"), Again(0)], [1, 2])
@given(_STEPS, st.lists(st.integers(1, 7), max_size=4))
def test_a_product_ends_as_if_its_events_came_one_by_one(
    tmp_path: Path, steps: list[Edit | Again], cuts: list[int]
) -> None:
    if not isinstance(steps[0], Edit):
        steps = [Edit(None, "Cup"), *steps]
    events = published(steps)
    cut, alone = worked_on(events, cuts, tmp_path), worked_on(events, range(len(events)), tmp_path)
    title = standing(steps)
    assert (cut.record.digest == REMOVED) is (alone.record.digest == REMOVED) is (title is None)
    assert cut.record.newest == alone.record.newest
    assert cut.record.digest == alone.record.digest
    assert cut.outcomes == alone.outcomes == list(range(len(events)))
    for end in (cut, alone):
        assert end.decided is not None
        value = events[end.decided].value
        assert (None if value is None else decode(value, Product).title) == title
