"""Decisions and verdicts, packed: nothing is lost that compaction would keep, and each topic stays in order."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import orjson
import pytest
from confluent_kafka import Message
from hypothesis import given
from hypothesis import strategies as st

from schemas.events.codec import encode
from schemas.events.decision import Alternative, Category
from schemas.events.learning import LearnedDecision, LearningBatch, Said
from schemas.events.position import SourcePosition
from schemas.topics import LEARNING_BATCHED
from streams.learning import packer
from streams.learning.packer import pack
from tests.decisions import assigned, needs_review
from workers.learning import Source

_SOURCES: dict[str, Source] = {"a": "assigned", "n": "needs_review", "v": "verdict"}
_CATEGORY = Category("lamps", ("Home", "Lamps"))


def said(
    topic: str,
    offset: int,
    key: bytes | None,
    value: bytes | None,
    *,
    partition: int = 0,
    header: bytes = b"1",
) -> Message:
    return Message(topic, partition, offset, key, value, [("h", header)])


def decided(offset: int, confidence: float = 0.99, *, review: bool = False) -> bytes:
    common: dict[str, Any] = {
        "confidence": confidence,
        "alternatives": (Alternative(_CATEGORY, confidence),),
        "source": SourcePosition("products", 0, offset),
        "brand": "Acme",
    }
    if review:
        return encode(needs_review(**common))
    return encode(assigned(category=_CATEGORY, **common))


def packed(messages: Sequence[Message]) -> list[LearningBatch]:
    return list(pack(messages, _SOURCES, 0.95))


def test_a_batch_says_what_its_decisions_say() -> None:
    (batch,) = packed(
        [
            said("n", 4, b"p", decided(20, review=True)),
            said("a", 6, b"q", decided(21)),
            said("a", 7, b"r", decided(22, confidence=0.94)),
            said("a", 8, b"p", None),
        ]
    )
    assert batch.decisions == [
        LearnedDecision("assigned", 6, "q", Said(6, 21, "lamps", "Acme")),
        LearnedDecision("assigned", 7, "r", Said(7, 22, None, "Acme")),
        LearnedDecision("assigned", 8, "p", Said(8, removed=True)),
        LearnedDecision("needs_review", 4, "p", Said(4, 20, None, "Acme")),
    ]


def test_a_verdict_is_carried_as_it_came_even_where_it_is_none() -> None:
    (batch,) = packed([said("v", 3, b"p", b"\xff{"), said("v", 4, None, None)])
    assert [(item.offset, item.key, item.value, item.headers) for item in batch.verdicts] == [
        (3, b"p", b"\xff{", (("h", b"1"),)),
        (4, None, None, (("h", b"1"),)),
    ]


def test_what_is_no_decision_is_left_out_and_said(caplog: pytest.LogCaptureFixture) -> None:
    messages = [said("a", 1, b"p", b"{"), said("a", 2, None, decided(1)), said("n", 3, b"\xff", None)]
    assert packed(messages) == []
    for place in ("a [0] offset 1", "a [0] offset 2", "n [0] offset 3"):
        assert f"nothing learned from {place}" in caplog.text


def test_two_verdicts_on_one_product_travel_apart_and_in_order() -> None:
    batches = packed([said("v", 1, b"p", b"1"), said("v", 2, b"q", b"2"), said("v", 3, b"p", b"3")])
    assert [[verdict.offset for verdict in batch.verdicts] for batch in batches] == [[1, 2], [3]]


def test_a_batch_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packer, "_MAX_EVENTS", 2)
    batches = packed([said("a", offset, bytes([97 + offset]), decided(offset)) for offset in range(5)])
    assert [len(batch.decisions) for batch in batches] == [2, 2, 1]
    monkeypatch.setattr(packer, "_MAX_BYTES", 10)
    batches = packed([said("v", offset, bytes([97 + offset]), b"x" * 10) for offset in range(2)])
    assert [len(batch.verdicts) for batch in batches] == [1, 1]


@given(st.lists(st.tuples(st.sampled_from("anv"), st.integers(0, 1), st.sampled_from([b"p", b"q"])), max_size=30))
def test_the_latest_of_each_product_and_topic_arrives_on_its_partition_and_offsets_only_grow(
    events: list[tuple[str, int, bytes]],
) -> None:
    messages = [
        said(topic, offset, key, None, partition=partition)
        for offset, (topic, partition, key) in enumerate(events)
    ]
    seen: dict[tuple[int, str], list[int]] = {}
    latest: dict[tuple[int, str, str], int] = {}
    for batch in packed(messages):
        named: list[tuple[Source, str, int]] = []
        named += [(decision.topic, decision.product_id, decision.offset) for decision in batch.decisions]
        named += [("verdict", (verdict.key or b"").decode(), verdict.offset) for verdict in batch.verdicts]
        assert len({(source, product) for source, product, _ in named}) == len(named)
        for source, product, offset in named:
            seen.setdefault((batch.partition, source), []).append(offset)
            latest[batch.partition, source, product] = offset
    assert all(offsets == sorted(offsets) for offsets in seen.values())
    assert latest == {
        (partition, _SOURCES[topic], key.decode()): offset for offset, (topic, partition, key) in enumerate(events)
    }
    verdicts = [offset for (_, source), offsets in seen.items() if source == "verdict" for offset in offsets]
    assert sorted(verdicts) == [offset for offset, (topic, _, _) in enumerate(events) if topic == "v"]


@pytest.mark.parametrize("character", ["x", "\u8336"])
def test_decisions_on_products_of_many_stores_make_messages_that_the_topic_takes(character: str) -> None:
    """Such a batch would be sent again for ever, and nothing more be learned."""
    stores = tuple(f"{number:03}" + character * 509 for number in range(100))
    value = decided(20).replace(b'"stores":[]', b'"stores":' + orjson.dumps(stores))
    assert b"003" in value
    messages = [said("a", offset, b"p%d" % offset, value) for offset in range(300)]
    batches = packed(messages)
    assert sum(len(batch.decisions) for batch in batches) == 300
    assert max(len(encode(batch)) for batch in batches) < LEARNING_BATCHED.max_message_bytes


def test_of_a_verdict_that_only_compression_brought_in_the_beginning_is_carried() -> None:
    message = said("v", 1, b"k" * 3_000_000, b"v" * 3_000_000, header=b"x" * 3_000_000)
    (batch,) = packed([message])
    (verdict,) = batch.verdicts
    assert (verdict.key, verdict.value, verdict.headers) == (b"k" * 2**20, b"v" * 2**20, ())
    assert len(encode(batch)) < LEARNING_BATCHED.max_message_bytes
