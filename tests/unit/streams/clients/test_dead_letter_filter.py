from __future__ import annotations

from collections.abc import Collection
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from schemas.events.dead_letter import DeadLetter, Headers
from schemas.events.sent_again import ORIGINAL_OFFSET_HEADER, headers_again
from streams.clients.dead_letters import Filter, ResendReport, choose, resend
from streams.clients.subscriber import Received
from streams.outgoing import ANY_PARTITION
from streams.settings import Settings

LETTER = DeadLetter(
    reason="empty_title",
    detail="",
    stage="intake",
    attempt=3,
    source_topic="products.changed.v1",
    source_partition=0,
    source_offset=1,
)
RECEIVED = Received("products.dead-letter.v1", 0, 1, 1_700_000_000_000, b"p1", b"{}", [], LETTER)
DIED = datetime.fromtimestamp(1_700_000_000, UTC)


@pytest.mark.parametrize(
    ("wanted", "matches"),
    [
        ({}, True),
        ({"reasons": {"empty_title", "too_large"}}, True),
        ({"reasons": {"too_large"}}, False),
        ({"stages": {"recall"}}, False),
        ({"keys": {b"p1"}}, True),
        ({"keys": {b"p2"}}, False),
        ({"partitions": {0}}, True),
        ({"partitions": {1}}, False),
        ({"since": DIED}, True),
        ({"until": DIED}, False),
        ({"since": DIED, "stages": {"intake"}, "reasons": {"too_large"}}, False),
    ],
)
def test_a_dead_letter_must_match_all_that_is_asked(wanted: dict[str, Any], matches: bool) -> None:
    sets: dict[str, Any] = {name: frozenset(value) for name, value in wanted.items() if isinstance(value, set)}
    filter_ = Filter(**(wanted | sets))
    assert filter_.matches(RECEIVED) is matches
    assert bool(filter_) is bool(wanted)


def letter(
    place: int, *, offset: int, attempt: int = 1, original: Headers | None = None, topic: str = LETTER.source_topic
) -> Received:
    content = msgspec.structs.replace(LETTER, source_offset=offset, attempt=attempt, source_topic=topic)
    headers = content.to_headers(original or [])
    return Received("products.dead-letter.v1", 0, place, 0, b"p1", b"{}", headers, content)


SETTINGS = Settings()


def no_verdicts(_keys: Collection[bytes]) -> dict[tuple[int, bytes], int]:
    raise AssertionError("no verdict died")


def test_of_several_letters_of_one_event_only_the_last_is_sent() -> None:
    first = letter(0, offset=5)
    buried_twice = letter(1, offset=5)
    sent_again = headers_again(first.headers, 5)
    died_again = letter(2, offset=9, attempt=2, original=sent_again)
    choice = choose([first, buried_twice, died_again, letter(3, offset=6)], SETTINGS, no_verdicts)
    assert (choice.places, choice.repeated, choice.foreign) == ({(0, 2), (0, 3)}, 2, 0)
    assert choice.reasons == {"empty_title": 2}


def test_a_letter_that_names_another_topic_is_not_sent_there() -> None:
    choice = choose([letter(0, offset=5)], Settings(topic_prefix="other."), no_verdicts)
    assert (choice.places, choice.foreign) == (set(), 1)


def test_no_more_events_than_the_limit_are_sent() -> None:
    assert len(choose([letter(n, offset=n) for n in range(9)], SETTINGS, no_verdicts, 4).places) == 4


def test_a_dead_verdict_is_not_sent_after_a_newer_one_which_compaction_would_then_remove() -> None:
    def newest(keys: Collection[bytes]) -> dict[tuple[int, bytes], int]:
        assert keys == {b"p1"}
        return {(LETTER.source_partition, b"p1"): 5}

    verdicts = [letter(n, offset=offset, topic="reviews.decided.v1") for n, offset in enumerate((3, 5, 8))]
    choice = choose([*verdicts, letter(3, offset=3)], SETTINGS, newest)
    assert (choice.places, choice.superseded) == ({(0, 1), (0, 2), (0, 3)}, 1)


class Producer:
    """Keeps what it is to send."""

    def __init__(self) -> None:
        self.sent: list[dict[str, Any]] = []

    def produce(self, topic: str, **fields: Any) -> None:
        self.sent.append(fields)

    def poll(self, _seconds: float) -> None:
        pass


def test_a_letter_goes_to_where_it_came_from_but_out_of_a_partition_that_was_not_its_own() -> None:
    here = letter(0, offset=5)
    content = msgspec.structs.replace(LETTER, source_partition=3, source_offset=7, reason="wrong_partition")
    astray = Received("products.dead-letter.v1", 0, 1, 0, b"p2", b"{}", content.to_headers([]), content)
    producer: Any = Producer()
    resend([here, astray], producer, Settings(), ResendReport())
    assert [item["partition"] for item in producer.sent] == [0, ANY_PARTITION]
    named = [ORIGINAL_OFFSET_HEADER in dict(item["headers"]) for item in producer.sent]
    assert named == [True, False], "its offset in another partition says nothing where it goes"
