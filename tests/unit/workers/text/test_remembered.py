"""What is remembered of words takes memory that no feed can raise."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workers.text import remembered as module
from workers.text.remembered import LONGEST, remembered


class _Length:
    """Counts the words whose length is asked for."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def __call__(self, word: str) -> int:
        self.asked.append(word)
        return len(word)


def test_a_word_is_looked_up_once_unless_it_is_too_long_to_come_again() -> None:
    length = _Length()
    ask = remembered(length)
    short, long = "a" * LONGEST, "a" * (LONGEST + 1)
    assert [ask(word) for word in (short, long, short, long)] == [64, 65, 64, 65]
    assert length.asked == [short, long, long]


def test_what_is_asked_for_again_and_again_outlives_what_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "GENERATION", 3)
    length = _Length()
    ask = remembered(length)
    for number in range(20):
        ask("common")
        ask(f"rare {number}")
    ask("rare 0")
    assert length.asked.count("common") == 1
    assert length.asked.count("rare 0") == 2


@given(st.lists(st.text(max_size=3)))
def test_an_answer_is_the_same_whatever_is_remembered(words: list[str]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "GENERATION", 2)
        ask = remembered(str.upper)
        assert [ask(word) for word in words] == [word.upper() for word in words]
