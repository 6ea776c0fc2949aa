"""Which of the verdicts on the topic count for training data and for the queue of a reviewer."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from schemas.events.codec import encode
from schemas.taxonomy.tree import Taxonomy
from streams.clients.partition_reader import PublishedEvent
from streams.kafka.partitioner import partition_of
from streams.review import verdicts
from streams.settings import Settings
from tests.decisions import verdict

TREE = Taxonomy.from_paths("tree", "1", [("Home", "Lamps"), ("Home", "Cups")])
LAMPS, CUPS = TREE.ids[1], TREE.ids[2]


def event(partition: int, offset: int, category: str, product_id: str = "p", key: bytes = b"p") -> PublishedEvent:
    return PublishedEvent(partition, offset, key, encode(verdict(category, product_id=product_id)), [])


def test_what_learning_refuses_counts_for_nothing_else_either(monkeypatch: pytest.MonkeyPatch) -> None:
    own = partition_of(b"p", 8)
    events = [
        event((own + 1) % 8, 900, CUPS),
        event(own, 1, LAMPS),
        event(own, 2, CUPS, product_id="q"),
        event(own, 3, "no such category"),
    ]
    reader = SimpleNamespace(partitions=list(range(8)), read_on=lambda _: iter(events), close=lambda: None)
    monkeypatch.setattr(verdicts, "TopicReader", lambda *_: reader)
    found = verdicts.read_verdicts(Settings(partitions=4), TREE)
    assert {product_id: verdict.category_id for product_id, verdict in found.latest.items()} == {"p": LAMPS}
    assert (found.invalid, dict(found.unknown)) == (2, {"no such category": 1})
