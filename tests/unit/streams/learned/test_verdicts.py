"""The last message on a product says what stands, as compaction keeps it; no message ends the model."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from threading import Thread

import numpy as np
import pytest
from confluent_kafka import Message

from schemas.events.sent_again import ORIGINAL_OFFSET_HEADER
from schemas.topics import REVIEWS_DECIDED
from streams.kafka.partitioner import partition_of
from streams.learned.verdicts import LearnedVerdicts
from streams.settings import Settings
from workers.sample import sample_taxonomy

TREE = sample_taxonomy()
ONE, OTHER = np.flatnonzero(TREE.is_listed)[:2].tolist()
PARTITIONS = 4
PARTITION = partition_of(b"p", PARTITIONS)


def value(product_id: str = "p", node: int = ONE) -> bytes:
    return (
        f'{{"review_id": "r", "product_id": "{product_id}", "category_id": "{TREE.ids[node]}", "title": "Lamp",'
        f' "reviewer": "a person", "decided_at": "2026-01-02T03:04:05Z"}}'
    ).encode()


def said(
    value: bytes | None,
    *,
    key: bytes | None = b"p",
    offset: int = 0,
    partition: int = PARTITION,
    headers: Sequence[tuple[str, bytes]] = (),
) -> Message:
    return Message(partition=partition, offset=offset, key=key, value=value, headers=list(headers))


def nodes(tmp_path: Path, *messages: Message) -> int | None:
    """Return the node that is said of product ``p`` in the end."""
    settings = Settings(data_dir=tmp_path, partitions=PARTITIONS)
    learned = LearnedVerdicts(settings, TREE)
    read = learned.handlers[settings.topic(REVIEWS_DECIDED)]
    for message in messages:
        read(message)
    standing = learned.standing.of("p", "lamp")
    return None if standing is None else standing.node


def test_the_last_verdict_on_a_product_stands(tmp_path: Path) -> None:
    assert nodes(tmp_path, said(value(node=ONE)), said(value(node=OTHER), offset=1)) == OTHER


def test_a_null_value_takes_it_back(tmp_path: Path) -> None:
    assert nodes(tmp_path, said(value()), said(None, offset=1)) is None


def test_a_dead_verdict_that_is_sent_again_is_as_old_as_it_was(tmp_path: Path) -> None:
    again = said(value(node=ONE), offset=9, headers=[(ORIGINAL_OFFSET_HEADER, b"3")])
    assert nodes(tmp_path, said(value(node=OTHER), offset=5), again) == OTHER


@pytest.mark.parametrize(
    "message",
    [
        said(value(), offset=1, key=None),
        said(value(), offset=1, key=b"\xff"),
        said(value(), offset=1, partition=(partition_of(b"p", PARTITIONS) + 1) % PARTITIONS),
    ],
)
def test_what_has_no_place_among_a_products_verdicts_is_passed_over(tmp_path: Path, message: Message) -> None:
    assert nodes(tmp_path, said(value(node=OTHER)), message) == OTHER


@pytest.mark.parametrize("text", [b"{", value("q")])
def test_what_is_no_verdict_ends_the_one_before(tmp_path: Path, text: bytes) -> None:
    assert nodes(tmp_path, said(value(node=OTHER)), said(text, offset=1)) is None


def test_a_decision_waits_until_the_verdict_before_it_has_been_read(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path, partitions=PARTITIONS)
    learned = LearnedVerdicts(settings, TREE)
    read = learned.handlers[settings.topic(REVIEWS_DECIDED)]
    message = said(value(), offset=7)
    found: list[object] = []

    def decide() -> None:
        learned.await_read(PARTITION, 7)
        found.append(learned.standing.of("p", "Lamp"))

    deciding = Thread(target=decide)
    deciding.start()
    read(said(None, offset=6))
    read(message)
    deciding.join()
    assert found == [learned.standing.of("p", "Lamp")]
    assert found != [None]


@pytest.mark.parametrize("text", [b"{", None])
def test_what_is_no_verdict_is_not_waited_for_either(tmp_path: Path, text: bytes | None) -> None:
    settings = Settings(data_dir=tmp_path, partitions=PARTITIONS)
    learned = LearnedVerdicts(settings, TREE)
    learned.handlers[settings.topic(REVIEWS_DECIDED)](said(text, offset=7))
    learned.await_read(PARTITION, 7)
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
