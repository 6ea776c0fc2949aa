"""Replay and resend on a real Kafka, the first with a real worker and model."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from click.testing import CliRunner, Result
from confluent_kafka import Producer

from schemas.events.codec import encode
from schemas.events.dead_letter import DeadLetter, Headers
from schemas.events.decision import Decision
from schemas.events.position import SourcePosition
from schemas.events.product import Product
from schemas.events.sent_again import ORIGINAL_OFFSET_HEADER
from schemas.topics import (
    PRODUCTS_CHANGED,
    PRODUCTS_DEAD_LETTER,
    REVIEWS_DECIDED,
)
from streams.cli import main
from tests.sample_model import sample_products
from tests.worker_harness import PARTITIONS, Installation, decisions

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


def run(*arguments: str, status: int = 0) -> Result:
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == status, result.output
    return result


def replay(*arguments: str) -> dict[str, Any]:
    counts: dict[str, Any] = json.loads(run("replay", "--json", "--rate", "5000", *arguments).stdout)
    return counts


def content(decision: Decision) -> bytes:
    """Return the bytes of a decision but for what names its event."""
    return encode(msgspec.structs.replace(decision, decision_id="", source=SourcePosition("", 0, 0)))


def test_a_replay_with_the_same_model_and_state_decides_every_product_byte_for_byte_as_before(
    installation: Installation,
) -> None:
    products = [row.product for row in sample_products(21, 400)]
    with installation.worker(learning=False) as worker:
        places = installation.publish_products(products)
        installation.wait_until_committed()
        before = decisions(installation)
        counts = replay("--from", "beginning")
        installation.wait_until_committed()
        assert worker.metric("shelfwise_event_outcomes_total", outcome="unchanged") == 0
    assert counts["replayed"] == len(products)
    old = {item.product_id: content(item) for item in before}
    assert len(old) == len(products)
    new = [
        item for item in decisions(installation) if (item.source.partition, item.source.offset) not in set(places)
    ]
    assert {item.product_id: content(item) for item in new} == old
    assert not {item.decision_id for item in new} & {item.decision_id for item in before}


def source(installation: Installation) -> list[Any]:
    return sorted(
        installation.read(installation.name(PRODUCTS_CHANGED)),
        key=lambda message: (message.partition(), message.offset()),
    )


def cup(number: int, **changes: Any) -> Product:
    return Product(product_id=f"p{number}", title=f"Cup {number}", **changes)


def test_only_what_stands_is_replayed_with_its_headers_and_to_its_partition(installation: Installation) -> None:
    events: list[tuple[bytes | None, bytes | None, Headers]] = [
        (f"p{number}".encode(), encode(cup(number)), [("trace", b"%d" % number)]) for number in range(100)
    ]
    events += [(b"p1", encode(cup(1, brand="New")), []), (b"p2", None, []), (b"bad", b"{", [])]
    places = installation.publish(events)
    assert replay("--from", "0", "--dry-run") == {
        "events": 103,
        "replayed": 99,
        "superseded": 1,
        "removed": 2,
        "invalid": 1,
        "failed": 0,
        "dry_run": True,
    }
    assert len(source(installation)) == len(events)
    assert replay("--from", "0")["replayed"] == 99
    copies = [message for message in source(installation) if (message.partition(), message.offset()) not in places]
    assert len({message.key() for message in copies}) == 99
    for message in copies:
        first = int(dict(message.headers())[ORIGINAL_OFFSET_HEADER])
        key, value, headers = events[places.index((message.partition(), first))]
        assert (message.key(), message.value()) == (key, value)
        assert message.headers()[: len(headers)] == headers
    again = replay("--from", "beginning")
    assert (again["events"], again["replayed"]) == (202, 99)


def test_a_span_ends_before_its_last_offset_or_time_and_newer_edits_beyond_it_count(
    installation: Installation,
) -> None:
    places = installation.publish((b"p1", encode(cup(1, price=price)), []) for price in (1.0, 2.0))
    partition = str(places[0][0])
    assert replay("--from", "0", "--to", "1", "--partition", partition)["superseded"] == 1
    assert replay("--from", "1", "--to", "2", "--partition", partition, "--dry-run")["replayed"] == 1
    hour = timedelta(hours=1)
    later, earlier = (datetime.now(UTC) + hour).isoformat(), (datetime.now(UTC) - hour).isoformat()
    assert replay("--from", later)["events"] == 0
    assert replay("--from", earlier, "--to", later, "--dry-run")["replayed"] == 1
    assert replay("--from", "0", "--to", earlier)["events"] == 0


def test_an_interrupted_replay_goes_on_where_it_was_and_repeats_nothing(
    installation: Installation, tmp_path: Path
) -> None:
    places = installation.publish_products(cup(number) for number in range(200))
    file = tmp_path / "replay.json"
    left = {
        number: [offset for partition, offset in places if partition == number] for number in range(PARTITIONS)
    }
    half = {number: offsets[len(offsets) // 2] for number, offsets in left.items()}
    file.write_text(
        json.dumps(
            {
                "topic": installation.name(PRODUCTS_CHANGED),
                "begin": "beginning",
                "end": None,
                "partitions": [
                    {"partition": number, "next_offset": half[number], "last": max(offsets) + 1}
                    for number, offsets in left.items()
                ],
            }
        )
    )
    wanted = sum(offset >= half[number] for number, offset in places)
    assert replay("--progress", str(file))["replayed"] == wanted
    assert replay("--progress", str(file))["events"] == 0
    output = run("replay", "--from", "7", "--progress", str(file), status=2).output
    assert "is of a replay of" in output
    output = run("replay", "--partition", "1", "--progress", str(file), status=2).output
    assert "belongs to partitions 0, 1, 2, 3" in output


def test_options_that_make_no_sense_are_told(installation: Installation) -> None:
    assert "say where to begin" in run("replay", status=2).output
    assert "give an offset" in run("replay", "--from", "yesterday", status=2).output
    assert "has the partitions 0 to 3" in run("replay", "--from", "0", "--partition", "9", status=2).output
    assert "only the events on" in run("replay", "--from", "0", "--topic", "reviews.decided.v1", status=2).output


def test_a_dead_letter_that_is_sent_again_is_decided_and_one_that_was_buried_twice_is_sent_once(
    installation: Installation,
) -> None:
    topic = installation.name(PRODUCTS_CHANGED)
    product = cup(1)
    (place,) = installation.publish_products([product])
    letter = DeadLetter(
        reason="processing_failed",
        detail="as a bug had it",
        stage="recall",
        attempt=1,
        source_topic=topic,
        source_partition=place[0],
        source_offset=place[1],
    )
    producer = Producer(installation.connection.producer_config())
    with installation.worker(learning=False) as worker:
        installation.wait_until_committed()
        for _ in range(2):  # buried twice
            producer.produce(
                installation.name(PRODUCTS_DEAD_LETTER),
                key=product.product_id.encode(),
                value=encode(product),
                headers=letter.to_headers([("trace", b"1")]),
                partition=place[0],
            )
        producer.flush()
        counts = json.loads(run("dead-letters", "resend", "--stage", "recall", "--dry-run", "--json").stdout)
        assert (counts["chosen"], counts["sent"], counts["repeated"]) == (1, 0, 1)
        counts = json.loads(run("dead-letters", "resend", "--stage", "recall", "--json").stdout)
        assert (counts["chosen"], counts["sent"], counts["failed"]) == (1, 1, 0)
        installation.wait_until_committed()
        assert worker.metric("shelfwise_event_outcomes_total", outcome="unchanged") == 0
    assert len(source(installation)) == 2
    assert {item.source.offset for item in decisions(installation)} == {0, 1}
    empty = json.loads(run("dead-letters", "resend", "--partition", "3", "--stage", "intake", "--json").stdout)
    assert (empty["chosen"], empty["sent"]) == (0, 0)


def test_a_verdict_that_died_goes_back_to_the_topic_of_verdicts(installation: Installation) -> None:
    letter = DeadLetter(
        reason="out_of_bounds",
        detail="no such category",
        stage="learning",
        attempt=1,
        source_topic=installation.name(REVIEWS_DECIDED),
        source_partition=2,
        source_offset=0,
    )
    producer = Producer(installation.connection.producer_config())
    topic = installation.name(PRODUCTS_DEAD_LETTER)
    producer.produce(topic, key=b"p1", value=b"{}", headers=letter.to_headers([]), partition=2)
    producer.flush()
    assert "1 dead letters" in run("dead-letters", "resend", "--stage", "learning").output
    (message,) = installation.read(installation.name(REVIEWS_DECIDED))
    assert (message.key(), message.value(), message.partition()) == (b"p1", b"{}", 2)
    assert source(installation) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_replay_that_is_interrupted_says_what_it_published(
    installation: Installation, comes_after: Callable[[signal.Signals, int], None], number: signal.Signals
) -> None:
    installation.publish_products(Product(product_id=f"p{each}", title="Cup") for each in range(9))
    comes_after(number, 2)
    told = json.loads(run("replay", "--from", "beginning", "--json", status=130).stdout)
    assert told["replayed"] == 2
    assert len(installation.read(installation.name(PRODUCTS_CHANGED))) == 11
