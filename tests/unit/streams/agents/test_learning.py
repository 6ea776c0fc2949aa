from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest

from schemas.events.codec import encode
from schemas.events.dead_letter import Headers
from schemas.events.review import ReviewDecided
from schemas.events.sent_again import headers_again
from schemas.taxonomy.tree import Taxonomy
from schemas.topics import CATEGORIES_ASSIGNED, REVIEWS_DECIDED
from streams.agents.context import Context
from streams.agents.learning import LearningStage
from streams.health import Health
from streams.metrics import Metrics
from streams.settings import Settings
from tests.agent_fakes import Log
from workers.learning import ProductState, contributions

pytestmark = pytest.mark.unit

_TREE = Taxonomy.from_paths("tree", "1", [("Home", "Lamps"), ("Home", "Cups")])
_HOME, _LAMPS, _CUPS = _TREE.ids[0], _TREE.ids[1], _TREE.ids[2]


class _Bundle:
    taxonomy = _TREE


@dataclass
class _Message:
    offset: int
    topic: str = REVIEWS_DECIDED.name
    partition: int = 0
    key: bytes = b"p"
    headers: Headers = field(default_factory=list)


def verdict(category: str) -> bytes:
    when = datetime(2026, 1, 1, tzinfo=UTC)
    review = ReviewDecided(
        review_id="r", product_id="p", category_id=category, reviewer="r", decided_at=when, brand="Acme"
    )
    return encode(review)


@pytest.fixture
def products() -> dict[bytes, bytes]:
    return {}


@pytest.fixture
def log() -> Any:
    return Log()


@pytest.fixture
def context(tmp_path: Path, log: Any) -> Context:
    bundle: Any = _Bundle()
    nothing: Any = None
    return Context(Settings(data_dir=tmp_path), bundle, nothing, log, Metrics(), Health())


@pytest.fixture
def stage(context: Context, products: dict[bytes, bytes]) -> LearningStage:
    return LearningStage(context, products)


def counted(products: dict[bytes, bytes]) -> str:
    ((category, _),) = contributions(msgspec.json.decode(products[b"p"], type=ProductState)).values()
    return category


def test_an_older_verdict_that_is_sent_again_does_not_overrule_a_newer_one(
    stage: LearningStage, products: dict[bytes, bytes]
) -> None:
    assert stage.learn(_Message(7), verdict(_CUPS))
    assert stage.learn(_Message(9, headers=headers_again([], 3)), verdict(_LAMPS)) == []
    assert counted(products) == _CUPS
    assert stage.learn(_Message(10), verdict(_HOME))
    assert counted(products) == _HOME


def test_a_verdict_that_is_sent_again_counts_where_none_is_newer_and_its_changes_can_be_told_again(
    stage: LearningStage, products: dict[bytes, bytes]
) -> None:
    stage.learn(_Message(2), verdict(_CUPS))
    again = _Message(9, headers=headers_again([], 3))
    (change,) = stage.learn(again, verdict(_LAMPS))
    assert (change.source.offset, counted(products)) == (9, _LAMPS)
    assert stage.learn(again, verdict(_LAMPS)) == [change]


@dataclass
class _Event:
    message: _Message
    value: bytes


class _Stream:
    """Gives events, and keeps the offsets of those that are acknowledged."""

    def __init__(self, *given: _Event) -> None:
        self._given = given
        self.acknowledged: list[int] = []

    def noack(self) -> _Stream:
        return self

    async def events(self) -> AsyncIterator[_Event]:
        for event in self._given:
            yield event

    async def ack(self, event: _Event) -> None:
        self.acknowledged.append(event.message.offset)


def learned_from(stage: LearningStage, stream: _Stream) -> None:
    async def learn() -> None:
        await stage.run(stream)
        await stage.drain(10)

    asyncio.run(learn())


def test_changes_leave_in_order_and_are_then_acknowledged(stage: LearningStage, log: Any) -> None:
    given = [(1, b"p", _CUPS), (2, b"q", _CUPS), (3, b"p", _LAMPS)]
    stream = _Stream(*(_Event(_Message(offset, key=key), verdict(category)) for offset, key, category in given))
    learned_from(stage, stream)
    sources = [msgspec.json.decode(message.value)["source"]["offset"] for message in log.messages]
    assert (sources, stream.acknowledged) == ([1, 2, 3], [1, 2, 3])


def test_changes_leave_only_when_the_state_that_they_come_of_is_safe(
    context: Context, products: dict[bytes, bytes], log: Any
) -> None:
    async def refuse() -> None:
        assert counted(products) == _CUPS
        raise RuntimeError("the broker is away")

    stream = _Stream(_Event(_Message(1), verdict(_CUPS)))
    learned_from(LearningStage(context, products, refuse), stream)
    assert (log.messages, stream.acknowledged) == ([], [])


def test_after_lost_changes_nothing_is_acknowledged_until_a_restart(
    stage: LearningStage, log: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refuse(_messages: object) -> None:
        raise RuntimeError("refused")

    monkeypatch.setattr(log, "submit", refuse)
    stream = _Stream(_Event(_Message(1), verdict(_CUPS)), _Event(_Message(2), verdict(_LAMPS)))
    learned_from(stage, stream)
    assert stream.acknowledged == []


def test_an_acknowledgement_that_fails_keeps_no_other_back(
    stage: LearningStage, monkeypatch: pytest.MonkeyPatch
) -> None:
    stream = _Stream(*(_Event(_Message(offset, key=bytes([offset])), verdict(_CUPS)) for offset in (1, 2, 3)))
    acknowledge = stream.ack

    async def fail_once(event: _Event) -> None:
        if event.message.offset == 1:
            raise RuntimeError("not ours any more")
        await acknowledge(event)

    monkeypatch.setattr(stream, "ack", fail_once)
    learned_from(stage, stream)
    assert stream.acknowledged == [2, 3]


def test_changes_that_a_crash_kept_back_are_told_again_though_another_topic_was_read_first(
    stage: LearningStage, products: dict[bytes, bytes]
) -> None:
    first = stage.learn(_Message(1), verdict(_CUPS))
    tombstone = _Message(5, topic=CATEGORIES_ASSIGNED.name)
    assert stage.learn(tombstone, None)[0].removed_category == _CUPS
    assert stage.learn(_Message(1), verdict(_CUPS)) == first
