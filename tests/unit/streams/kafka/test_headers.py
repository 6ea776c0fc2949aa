from __future__ import annotations

from typing import Any

import pytest
from confluent_kafka import Message

from streams.kafka.headers import headers_of


class Unreadable:
    """A message as the library gives it whose header has a name in Latin-1."""

    asked = 0

    def topic(self) -> str:
        return "products"

    def headers(self) -> Any:
        self.asked += 1
        if self.asked > 1:
            return [None]
        try:
            b"\xe9".decode()
        except UnicodeDecodeError as error:
            raise SystemError("<method 'headers'> returned a result with an exception set") from error


def test_headers_that_cannot_be_read_are_taken_for_none_and_the_log_says_so_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    messages = [Unreadable(), Unreadable()]
    assert [headers_of(message) for message in messages] == [[], []]
    assert [message.asked for message in messages] == [1, 1]
    assert [record.getMessage().split(":")[0] for record in caplog.records] == ["products"]


def test_headers_are_those_of_the_message() -> None:
    message = Message(headers=[("trace", b"1"), ("null", None)])
    assert headers_of(message) == [("trace", b"1"), ("null", None)]
    assert headers_of(Message()) == []
