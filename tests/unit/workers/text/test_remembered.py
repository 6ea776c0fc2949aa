"""What is remembered of words takes memory that no feed can raise."""

from __future__ import annotations

from workers.text.remembered import LONGEST, remembered


def test_a_word_is_looked_up_once_unless_it_is_too_long_to_come_again() -> None:
    asked = []

    def length(word: str) -> int:
        asked.append(word)
        return len(word)

    ask = remembered(length)
    short, long = "a" * LONGEST, "a" * (LONGEST + 1)
    assert [ask(word) for word in (short, long, short, long)] == [64, 65, 64, 65]
    assert asked == [short, long, long]
