"""What an operator finds in the log after a broker was away: enough, and no more."""

from __future__ import annotations

import json
import logging

from streams.logs import AlikeFilter, JsonFormatter
from tests.clock import Clock


def record(message: str, *arguments: object, name: str = "aiokafka") -> logging.LogRecord:
    return logging.LogRecord(name, logging.ERROR, "file.py", 1, message, arguments, None)


def test_of_records_that_are_alike_but_for_numbers_five_a_minute_are_shown_and_the_others_counted(
    clock: Clock,
) -> None:
    alike = AlikeFilter(clock)
    shown = [alike.filter(record("node %d is away after %d ms", node % 3, node)) for node in range(100)]
    assert shown == [True] * 5 + [False] * 95
    clock.now = 60
    again = record("node %d is away after %d ms", 1, 7)
    assert alike.filter(again)
    assert vars(again)["not_shown"] == 95
    further = record("node %d is away after %d ms", 1, 8)
    assert alike.filter(further)
    assert not hasattr(further, "not_shown")


def test_how_many_were_not_shown_is_told_however_long_after(clock: Clock) -> None:
    alike = AlikeFilter(clock)
    for _ in range(100):
        alike.filter(record("away"))
    for clock.now in (60, 120, 300):
        alike.filter(record("something else"))
    again = record("away")
    assert (alike.filter(again), vars(again)["not_shown"]) == (True, 95)


def test_a_record_whose_arguments_do_not_fit_is_left_to_the_handler(clock: Clock) -> None:
    assert AlikeFilter(clock).filter(record("%d", "no number"))


def test_records_that_differ_are_all_shown() -> None:
    alike = AlikeFilter(Clock())
    assert all(alike.filter(record(word, name=name)) for word in "abcdefghij" for name in ("one", "two"))
    assert all(alike.filter(record(word)) for word in "abcdefghij")


def test_a_record_is_one_line_of_json_whatever_is_told_in_it() -> None:
    told = record("no bundle in %s,\nof %d bytes", "caf\udce9", 2**70)
    line = JsonFormatter().format(told)
    assert "\n" not in line
    assert json.loads(line)["message"] == f"no bundle in caf\udce9,\nof {2**70} bytes"
