"""When two texts are the same product's."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workers.text.tokens import identity, words


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Desk lamp", "DESK   LAMP!"),
        ("Nike\u00ae shoe", "Nike shoe"),
        ("Caf\u00e9", "Cafe\u0301"),
        ("10 cm\u00b2", "10 cm2"),
        ("\u2b50\ufe0f Lamp", "\u2b50 Lamp"),
    ],
)
def test_case_punctuation_and_spelling_of_characters_tell_no_texts_apart(one: str, other: str) -> None:
    assert identity(one) == identity(other)


def test_vowel_signs_and_signs_alone_tell_texts_apart() -> None:
    hair, bill, speak = "\u092c\u093e\u0932", "\u092c\u093f\u0932", "\u092c\u094b\u0932"
    assert words(hair) == words(bill)
    assert len({identity(text) for text in (hair, bill, speak, "\u2605", "\u2605\u2605", "!", "")}) == 7


_ALIKE = st.sampled_from("aA\u00e9\u0301e \u2605!-1\ufe0f")


@given(st.text(_ALIKE, min_size=1, max_size=5), st.text(_ALIKE, min_size=1, max_size=5))
def test_texts_of_one_identity_have_the_same_words_and_those_of_others_differ_in_more_than_case(
    one: str, other: str
) -> None:
    if identity(one) == identity(other):
        assert words(one) == words(other) or not words(one)
    else:
        assert one.casefold() != other.casefold()
