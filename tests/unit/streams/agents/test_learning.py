from __future__ import annotations

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
from schemas.topics import REVIEWS_DECIDED
from streams.agents.context import Context
from streams.agents.learning import LearningStage
from streams.health import Health
from streams.metrics import Metrics
from streams.settings import Settings
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
def stage(tmp_path: Path, products: dict[bytes, bytes]) -> LearningStage:
    bundle: Any = _Bundle()
    nothing: Any = None
    context = Context(Settings(data_dir=tmp_path), bundle, nothing, nothing, Metrics(), Health())
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
