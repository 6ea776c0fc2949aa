from __future__ import annotations

import pytest
from confluent_kafka import KafkaError
from prometheus_client import CollectorRegistry

from schemas.events.dead_letter import MAX_DETAIL_CHARACTERS, DeadLetter, Headers, Reason, original_headers
from streams.intake.dead_letters import DeadLetterWriter, Death
from streams.intake.packer import SourceEvent
from streams.metrics import Metrics
from streams.outgoing import Outgoing
from streams.sender import Delivered

DEATH = Death(Reason.MALFORMED_JSON, "no brace", "intake")


class RecordingSender:
    """Keeps what it is given, as a producer does whose broker has not answered yet."""

    def __init__(self) -> None:
        self.sent: list[tuple[Outgoing, Delivered]] = []

    def send(self, message: Outgoing, delivered: Delivered) -> None:
        self.sent.append((message, delivered))


class Bench:
    def __init__(self) -> None:
        self.sender = RecordingSender()
        self.registry = CollectorRegistry()
        self.now = 0.0
        self.safe: list[int] = []
        self.wanted = True
        self.writer = DeadLetterWriter(
            self.sender,  # type: ignore[arg-type]
            "dead",
            "source",
            Metrics(self.registry),
            lambda: self.now,
        )

    def write(self, headers: Headers | None = None, death: Death = DEATH, value: bytes = b"\xffvalue") -> Outgoing:
        event = SourceEvent(41, 0, b"\xffkey", value, headers or [])
        self.writer.write(event, 3, death, lambda: self.safe.append(41), lambda: self.wanted)
        return self.sender.sent[-1][0]

    def answer(self, error: KafkaError | None) -> None:
        self.sender.sent[-1][1](error)

    @property
    def counted(self) -> float | None:
        labels = {"reason": "malformed_json", "stage": "intake"}
        return self.registry.get_sample_value("shelfwise_dead_letters_total", labels)


def test_a_dead_letter_carries_the_original_bytes_and_says_why_and_from_where() -> None:
    letter = Bench().write([("trace", b"\x00\xff")])
    assert (letter.topic, letter.partition, letter.key, letter.value) == ("dead", 3, b"\xffkey", b"\xffvalue")
    assert original_headers(letter.headers) == [("trace", b"\x00\xff")]
    assert DeadLetter.from_headers(letter.headers) == DeadLetter(
        reason="malformed_json",
        detail="no brace",
        stage="intake",
        attempt=1,
        source_topic="source",
        source_partition=3,
        source_offset=41,
    )


def test_a_letter_that_was_sent_again_and_dies_again_keeps_its_attempt() -> None:
    first = Bench().write(None)
    headers = [(name, b"2" if name.endswith("-attempt") else value) for name, value in first.headers]
    second = Bench().write(headers)
    assert DeadLetter.from_headers(second.headers).attempt == 2
    assert len(second.headers) == len(first.headers)


def test_a_long_reason_is_cut() -> None:
    letter = Bench().write(None, DEATH._replace(detail="x" * 5_000))
    assert DeadLetter.from_headers(letter.headers).detail == "x" * MAX_DETAIL_CHARACTERS


def test_an_event_is_safe_and_counted_only_when_the_broker_has_its_letter() -> None:
    bench = Bench()
    bench.write()
    assert (bench.safe, bench.counted) == ([], 0)
    bench.answer(None)
    assert (bench.safe, bench.counted) == ([41], 1)


def test_a_refused_letter_is_sent_again_until_the_broker_has_it_but_not_in_a_hurry() -> None:
    bench = Bench()
    letter = bench.write()
    for turn in range(1, 4):
        bench.answer(KafkaError(KafkaError._MSG_TIMED_OUT))
        bench.writer.retry()
        assert len(bench.sender.sent) == turn
        bench.now += 1
        bench.writer.retry()
        assert [message for message, _ in bench.sender.sent] == [letter] * (turn + 1)
    bench.answer(None)
    bench.now += 10
    bench.writer.retry()
    assert (bench.safe, bench.counted, len(bench.sender.sent)) == ([41], 1, 4)


@pytest.mark.parametrize(
    ("headers", "value"), [([("trace", b"1")], b"x" * 9_000_000), ([("trace", b"x" * 9_000_000)], b"small")]
)
def test_of_an_event_that_is_too_large_for_a_letter_the_beginning_is_kept(headers: Headers, value: bytes) -> None:
    bench = Bench()
    bench.write(headers, value=value)
    bench.answer(KafkaError(KafkaError.MSG_SIZE_TOO_LARGE))
    bench.now += 1
    bench.writer.retry()
    letter = bench.sender.sent[-1][0]
    assert (letter.key, letter.value, letter.partition) == (b"\xffkey", value[:524_288], 3)
    died = DeadLetter.from_headers(letter.headers)
    assert (died.reason, died.source_offset, original_headers(letter.headers)) == ("malformed_json", 41, [])
    assert died.detail.startswith("no brace; the first bytes are kept of 9,000,")
    bench.answer(None)
    assert (bench.safe, bench.counted) == ([41], 1)


def test_a_small_letter_that_is_refused_with_a_large_neighbour_is_sent_again_as_it_is() -> None:
    bench = Bench()
    letter = bench.write([("trace", b"1")])
    bench.answer(KafkaError(KafkaError.MSG_SIZE_TOO_LARGE))
    bench.now += 1
    bench.writer.retry()
    assert bench.sender.sent[-1][0] == letter


def test_a_refused_letter_of_a_partition_that_another_worker_has_now_is_not_sent_again() -> None:
    bench = Bench()
    bench.write()
    bench.answer(KafkaError(KafkaError._MSG_TIMED_OUT))
    bench.wanted = False
    bench.now += 10
    bench.writer.retry()
    assert len(bench.sender.sent) == 1
