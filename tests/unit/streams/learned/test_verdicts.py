"""The last message on a product says what stands, as compaction keeps it; no message ends the model."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from threading import Thread

import numpy as np
import pytest

from schemas.events.sent_again import ORIGINAL_OFFSET_HEADER
from schemas.topics import REVIEWS_DECIDED
from streams.kafka.partitioner import partition_of
from streams.learned.verdicts import LearnedVerdicts
from streams.settings import Settings
from workers.sample import sample_taxonomy

TREE = sample_taxonomy()
ONE, OTHER = np.flatnonzero(TREE.is_listed)[:2].tolist()
PARTITIONS = 4


def value(product_id: str = "p", node: int = ONE) -> bytes:
    return (
        f'{{"review_id": "r", "product_id": "{product_id}", "category_id": "{TREE.ids[node]}", "title": "Lamp",'
        f' "reviewer": "a person", "decided_at": "2026-01-02T03:04:05Z"}}'
    ).encode()


@dataclass
class _Message:
    text: bytes | None = field(default_factory=value)
    name: bytes | None = b"p"
    place: int = 0
    part: int = partition_of(b"p", PARTITIONS)
    given: list[tuple[str, bytes]] = field(default_factory=list)

    def key(self) -> bytes | None:
        return self.name

    def value(self) -> bytes | None:
        return self.text

    def partition(self) -> int:
        return self.part

    def offset(self) -> int:
        return self.place

    def headers(self) -> list[tuple[str, bytes]]:
        return self.given


def nodes(tmp_path: Path, *messages: _Message) -> int | None:
    """Return the node that is said of product ``p`` in the end."""
    settings = Settings(data_dir=tmp_path, partitions=PARTITIONS)
    learned = LearnedVerdicts(settings, TREE)
    read = learned.handlers[settings.topic(REVIEWS_DECIDED)]
    for message in messages:
        read(message)
    standing = learned.standing.of("p", "lamp")
    return None if standing is None else standing.node


def test_the_last_verdict_on_a_product_stands(tmp_path: Path) -> None:
    assert nodes(tmp_path, _Message(value(node=ONE)), _Message(value(node=OTHER), place=1)) == OTHER


def test_a_null_value_takes_it_back(tmp_path: Path) -> None:
    assert nodes(tmp_path, _Message(), _Message(None, place=1)) is None


def test_a_dead_verdict_that_is_sent_again_is_as_old_as_it_was(tmp_path: Path) -> None:
    again = _Message(value(node=ONE), place=9, given=[(ORIGINAL_OFFSET_HEADER, b"3")])
    assert nodes(tmp_path, _Message(value(node=OTHER), place=5), again) == OTHER


@pytest.mark.parametrize(
    "message",
    [
        _Message(name=None),
        _Message(name=b"\xff"),
        _Message(part=(partition_of(b"p", PARTITIONS) + 1) % PARTITIONS),
    ],
)
def test_what_has_no_place_among_a_products_verdicts_is_passed_over(tmp_path: Path, message: _Message) -> None:
    message.place = 1
    assert nodes(tmp_path, _Message(value(node=OTHER)), message) == OTHER


@pytest.mark.parametrize("text", [b"{", value("q")])
def test_what_is_no_verdict_ends_the_one_before(tmp_path: Path, text: bytes) -> None:
    assert nodes(tmp_path, _Message(value(node=OTHER)), _Message(text, place=1)) is None


def test_a_decision_waits_until_the_verdict_before_it_has_been_read(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path, partitions=PARTITIONS)
    learned = LearnedVerdicts(settings, TREE)
    read = learned.handlers[settings.topic(REVIEWS_DECIDED)]
    message = _Message(place=7)
    found: list[object] = []

    def decide() -> None:
        learned.await_read(message.part, 7)
        found.append(learned.standing.of("p", "Lamp"))

    deciding = Thread(target=decide)
    deciding.start()
    read(_Message(place=6, text=None))
    read(message)
    deciding.join()
    assert found == [learned.standing.of("p", "Lamp")]
    assert found != [None]


@pytest.mark.parametrize("text", [b"{", None])
def test_what_is_no_verdict_is_not_waited_for_either(tmp_path: Path, text: bytes | None) -> None:
    settings = Settings(data_dir=tmp_path, partitions=PARTITIONS)
    learned = LearnedVerdicts(settings, TREE)
    learned.handlers[settings.topic(REVIEWS_DECIDED)](_Message(place=7, text=text))
    learned.await_read(_Message.part, 7)
    assert learned.standing.of("p", "Lamp") is None


def test_an_offset_that_does_not_exist_is_waited_for_only_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("streams.learned.verdicts._WAIT_SECONDS", 0.01)
    learned = LearnedVerdicts(Settings(data_dir=tmp_path, partitions=PARTITIONS), TREE)
    for offset in (10**18, 7, 8):
        learned.await_read(0, offset)
    learned.await_read(PARTITIONS, 0)
    assert [record.getMessage() for record in caplog.records] == [
        f"reviews.decided.v1 [0] has no offset {10**18} to wait for"
    ]
