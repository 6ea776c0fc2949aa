from __future__ import annotations

import base64
import json
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import pytest
from click.testing import CliRunner, Result
from confluent_kafka import Consumer, Producer, TopicPartition

from schemas.events.codec import encode
from schemas.events.dead_letter import DeadLetter
from schemas.events.product import decode_product
from streams.cli import main
from streams.kafka.cluster import Cluster
from tests.decisions import assigned, needs_review

Run = Callable[..., Result]
ComesAfter = Callable[[signal.Signals, int], None]
SIGNALS = (signal.SIGINT, signal.SIGTERM)
PARTITIONS = 2


@pytest.fixture
def run(kafka: Cluster, topic_prefix: str, monkeypatch: pytest.MonkeyPatch) -> Run:
    """The command line on topics of this test's own."""
    monkeypatch.setenv("SHELFWISE_KAFKA__BOOTSTRAP_SERVERS", kafka.bootstrap_servers)
    monkeypatch.setenv("SHELFWISE_TOPIC_PREFIX", topic_prefix)
    monkeypatch.setenv("SHELFWISE_PARTITIONS", str(PARTITIONS))

    def invoke(*arguments: str, status: int = 0) -> Result:
        result = CliRunner().invoke(main, arguments)
        assert result.exit_code == status, result.output
        return result

    invoke("topics", "create")
    return invoke


@pytest.fixture
def producer(kafka: Cluster) -> Producer:
    return Producer(kafka.connection.producer_config({"log_level": 0}))


def read_all(kafka: Cluster, topic: str) -> list[Any]:
    consumer = Consumer(kafka.connection.consumer_config("reader-of-a-test"))
    try:
        partitions = [TopicPartition(topic, number, 0) for number in range(PARTITIONS)]
        expected = sum(consumer.get_watermark_offsets(partition)[1] for partition in partitions)
        consumer.assign(partitions)
        messages: list[Any] = []
        while len(messages) < expected:
            messages += consumer.consume(expected, 1.0)
        return messages
    finally:
        consumer.close()


def lines(result: Result) -> list[Any]:
    return [json.loads(line) for line in result.stdout.splitlines()]


def test_creating_topics_twice_changes_nothing(run: Run, topic_prefix: str) -> None:
    output = run("topics", "create").output
    assert f"existing {topic_prefix}products.changed.v1" in output
    assert "created" not in output
    assert "note:" not in output


def test_another_number_of_partitions_is_a_wrong_setting(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHELFWISE_PARTITIONS", "3")
    assert "set SHELFWISE_PARTITIONS=2" in run("topics", "create", status=2).stderr


def test_a_feed_becomes_events_without_labels_keyed_by_product(
    run: Run, kafka: Cluster, topic_prefix: str, tmp_path: Path
) -> None:
    rows = [
        {"product_id": f"p{number}", "title": f"Cup {number}", "store": "One", "category_path": ["Home", "Cups"]}
        for number in range(500)
    ]
    file = tmp_path / "products.jsonl"
    file.write_bytes(b"\n".join(map(orjson.dumps, rows)))
    counts = lines(run("publish", str(file), "--json"))[0]
    assert counts == {"sent": 500, "acknowledged": 500, "failed": 0, "skipped": 0}
    messages = read_all(kafka, f"{topic_prefix}products.changed.v1")
    products = {message.key(): decode_product(message.value(), message.key()) for message in messages}
    assert products[b"p7"].title == "Cup 7"
    assert len(products) == 500
    assert not any(b"category_path" in message.value() for message in messages)
    headers = dict(messages[0].headers())
    assert headers["ce_type"] == b"shelfwise.product.changed.v1"
    assert headers["ce_subject"] == messages[0].key()
    assert len({dict(message.headers())["ce_id"] for message in messages}) == 500


def test_a_loop_brings_new_products_and_a_removal_is_a_tombstone(
    run: Run, kafka: Cluster, topic_prefix: str, tmp_path: Path
) -> None:
    file = tmp_path / "products.jsonl"
    file.write_bytes(orjson.dumps({"product_id": "p1", "title": "Cup"}))
    run("publish", str(file), "--loop", "--limit", "3")
    run("publish", str(file), "--remove")
    messages = read_all(kafka, f"{topic_prefix}products.changed.v1")
    assert sorted(message.key() for message in messages if message.value()) == [b"p1", b"p1~2", b"p1~3"]
    (tombstone,) = (message for message in messages if message.value() is None)
    assert tombstone.key() == b"p1"
    assert dict(tombstone.headers())["ce_type"] == b"shelfwise.product.removed.v1"


def test_a_loop_over_nothing_ends(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "products.jsonl"
    file.touch()
    assert "no product to publish again" in run("publish", str(file), "--loop", status=1).stderr
    assert "can be read once" in run("publish", "-", "--loop", status=2).stderr


@pytest.mark.parametrize("number", SIGNALS)
def test_a_feed_that_is_interrupted_says_what_it_sent_and_that_it_was(
    run: Run, tmp_path: Path, comes_after: ComesAfter, number: signal.Signals
) -> None:
    file = tmp_path / "products.jsonl"
    file.write_bytes(b"\n".join(orjson.dumps({"product_id": f"p{each}", "title": "Cup"}) for each in range(9)))
    comes_after(number, 2)
    told = lines(run("publish", str(file), "--rate", "100", "--json", status=130))
    assert told == [{"sent": 2, "acknowledged": 2, "failed": 0, "skipped": 0}]


@pytest.mark.parametrize("number", SIGNALS)
def test_a_resending_that_is_interrupted_says_what_it_sent(
    run: Run, producer: Producer, topic_prefix: str, comes_after: ComesAfter, number: signal.Signals
) -> None:
    for offset in range(3):
        bury(producer, topic_prefix, b"p", b"{}", "processing_failed", source_offset=offset)
    producer.flush()
    comes_after(number, 2)
    (told,) = lines(run("dead-letters", "resend", "--all", "--rate", "100", "--json", status=130))
    assert (told["chosen"], told["sent"], told["expired"]) == (3, 2, 0)


def test_bad_rows_of_a_feed_are_skipped_and_counted_where_asked(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "products.csv"
    file.write_text("product_id,title\n1,Cup\n2,\n3,Lamp\n")
    stopped = run("publish", str(file), status=1)
    assert "line 3, column title: is blank" in stopped.stderr
    assert "published 1 events" in stopped.stdout
    result = run("publish", str(file), "--skip-invalid", "--json")
    assert lines(result)[0]["skipped"] == 1
    assert "left out 1 of 3 rows, by column: title 1" in result.stderr


def test_a_subscriber_sees_decisions_and_dead_letters(run: Run, producer: Producer, topic_prefix: str) -> None:
    review = needs_review(product_id="p3", reason="no_candidates", confidence=0)
    topic = f"{topic_prefix}categories.assigned.v1"
    producer.produce(topic, key=b"p1", value=encode(assigned(product_id="p1")))
    producer.produce(topic, key=b"p2", value=encode(assigned(product_id="p2", backed_off=True)))
    producer.produce(f"{topic_prefix}categories.needs-review.v1", key=b"p3", value=encode(review))
    producer.produce(topic, key=b"p4", value=None)
    producer.produce(topic, key=b"p5", value=b"{not ours")
    bury(producer, topic_prefix, b"p6", b"\xff", "invalid_utf8")
    producer.flush()
    result = run("watch", "--from-beginning", "--limit", "6", "--timeout", "30", "--json")
    kinds = {item["key"]: item["kind"] for item in lines(result)}
    assert kinds == {
        "p1": "assigned",
        "p2": "backed_off",
        "p3": "needs_review",
        "p4": "withdrawn",
        "p5": "unreadable",
        "p6": "dead_letter",
    }
    (first,) = (item for item in lines(result) if item["key"] == "p1")
    assert first["decision"]["category"]["path"] == ["Home", "Lamps"]
    readable = run("watch", "--from-beginning", "--only", "assigned", "--limit", "1", "--timeout", "30").output
    assert "0.97" in readable
    assert "p1  ->  Home > Lamps" in readable


def test_a_subscriber_who_did_not_see_enough_in_time_says_so(run: Run) -> None:
    assert "only 0 of 1 messages arrived" in run("watch", "--limit", "1", "--timeout", "0.2", status=1).output


@pytest.mark.parametrize("options", [["--json"], []])
def test_a_subscriber_whose_reader_has_seen_enough_ends_well(
    run: Run, producer: Producer, topic_prefix: str, options: list[str]
) -> None:
    def decide() -> None:
        producer.produce(
            f"{topic_prefix}categories.assigned.v1", key=b"p1", value=encode(assigned(product_id="p1"))
        )
        producer.flush()

    decide()
    command = [sys.executable, "-m", "streams.cli", "watch", "--from-beginning", *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as watching:
        try:
            assert watching.stdout is not None
            assert watching.stderr is not None
            assert b"p1" in watching.stdout.readline()
            watching.stdout.close()
            decide()
            assert (watching.wait(60), watching.stderr.read()) == (0, b"")
        finally:
            watching.kill()


def bury(
    producer: Producer,
    prefix: str,
    key: bytes | None,
    value: bytes,
    reason: str,
    *,
    source_topic: str | None = None,
    source_offset: int = 7,
) -> None:
    letter = DeadLetter(
        reason=reason,
        detail="as a test has it",
        stage="intake",
        attempt=1,
        source_topic=source_topic or f"{prefix}products.changed.v1",
        source_partition=1,
        source_offset=source_offset,
    )
    headers = letter.to_headers([("ce_id", b"the feed's own"), ("trace", b"\x00\x01")])
    producer.produce(f"{prefix}products.dead-letter.v1", key=key, value=value, headers=headers)


def test_dead_letters_are_listed_by_filter_with_their_original_bytes(
    run: Run, producer: Producer, topic_prefix: str
) -> None:
    bury(producer, topic_prefix, b"p1", b"\xff\x00", "invalid_utf8")
    bury(producer, topic_prefix, b"p2", b'{"title": ""}', "empty_title")
    bury(producer, topic_prefix, None, b"{}", "missing_field")
    producer.flush()
    everything = run("dead-letters", "list", "--json")
    assert len(lines(everything)) == 3
    (letter,) = lines(run("dead-letters", "list", "--json", "--reason", "invalid_utf8"))
    assert base64.b64decode(letter["value"]) == b"\xff\x00"
    assert (letter["key"], letter["dead_letter"]["source_offset"]) == ("p1", 7)
    assert len(lines(run("dead-letters", "list", "--json", "--product", "p2", "--product", "p1"))) == 2
    assert lines(run("dead-letters", "list", "--json", "--until", "2020-01-01T08:00Z")) == []
    assert len(lines(run("dead-letters", "list", "--json", "--since", "2020-01-01", "--limit", "2"))) == 2
    readable = run("dead-letters", "list", "--stage", "intake").output
    assert "empty_title at intake, attempt 1: p2" in readable
    assert "3 dead letters" in readable


def test_dead_letters_are_sent_again_as_they_came_with_their_attempt(
    run: Run, producer: Producer, kafka: Cluster, topic_prefix: str
) -> None:
    bury(producer, topic_prefix, b"p1", b'{"product_id":"p1"}', "processing_failed")
    bury(producer, topic_prefix, None, b"\xff", "invalid_utf8")
    bury(producer, topic_prefix, b"p3", b"{}", "processing_failed", source_topic="somebody.elses")
    producer.flush()
    source = f"{topic_prefix}products.changed.v1"
    assert "would send" in run("dead-letters", "resend", "--all", "--dry-run").output
    assert "give --all" in run("dead-letters", "resend", status=2).output
    assert read_all(kafka, source) == []
    output = run("dead-letters", "resend", "--reason", "processing_failed").output
    assert "1 dead letters (processing_failed 1)" in output
    assert "skipped 1 dead letters from another topic" in output
    (message,) = read_all(kafka, source)
    assert (message.key(), message.value(), message.partition()) == (b"p1", b'{"product_id":"p1"}', 1)
    assert message.headers() == [
        ("ce_id", b"the feed's own"),
        ("trace", b"\x00\x01"),
        ("shelfwise-original-offset", b"7"),
        ("shelfwise-dead-letter-attempt", b"2"),
    ]


def test_a_topic_that_is_not_there_is_told_with_the_remedy(
    run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("SHELFWISE_TOPIC_PREFIX", "nowhere.")
    output = run("watch", status=3).output
    assert "no topic nowhere.categories.assigned.v1 that this client may see; make it with" in output
