"""When two texts are the same product's."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workers.text.tokens import identity, word_parts, words


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Desk lamp", "DESK   LAMP!"),
        ("Nike\u00ae shoe", "Nike shoe"),
        ("Caf\u00e9", "Cafe\u0301"),
        ("10 cm\u00b2", "10 cm2"),
        ("\u2b50\ufe0f Lamp", "\u2b50 Lamp"),
        ("I\u015eIK \u0130P", "\u0131\u015f\u0131k ip"),
    ],
)
def test_case_punctuation_and_spelling_of_characters_tell_no_texts_apart(one: str, other: str) -> None:
    assert identity(one) == identity(other)


def test_vowel_signs_and_signs_alone_tell_texts_apart() -> None:
    hair, bill, speak = "\u092c\u093e\u0932", "\u092c\u093f\u0932", "\u092c\u094b\u0932"
    assert len({identity(text) for text in (hair, bill, speak, "\u2605", "\u2605\u2605", "!", "")}) == 7


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("\u0939\u0947\u0921\u092b\u093c\u094b\u0928 \u0915\u093e\u0932\u093e", 2),
        ("\u0e17\u0e35\u0e48\u0e0a\u0e32\u0e23\u0e4c\u0e08", 1),
        ("\u0995\u09cd\u09b7\u09c1\u09a6\u09cd\u09b0", 1),
        ("\u0d9a\u0dca\u200d\u0dc2", 1),
    ],
    ids=["hindi", "thai", "bengali", "sinhala"],
)
def test_a_word_is_not_broken_at_its_vowel_signs(text: str, found: int) -> None:
    assert len(words(text)) == found


def test_vowel_signs_tell_words_apart() -> None:
    assert words("\u092c\u093e\u0932") != words("\u092c\u093f\u0932")


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("\u0645\u064f\u062d\u0645\u0651\u062f", "\u0645\u062d\u0645\u062f"),
        ("\u0643\u062a\u0640\u0640\u0627\u0628", "\u0643\u062a\u0627\u0628"),
        ("\u05e9\u05b8\u05dc\u05d5\u05b9\u05dd", "\u05e9\u05dc\u05d5\u05dd"),
        ("KI\u015eLIK \u0130P", "k\u0131\u015fl\u0131k ip"),
        ("\u0441\u043b\u043e\u0301\u0432\u043e", "\u0441\u043b\u043e\u0432\u043e"),
    ],
    ids=["arabic vowels", "arabic elongation", "hebrew vowels", "turkish capitals", "russian stress"],
)
def test_spellings_of_a_word_are_one_word(one: str, other: str) -> None:
    assert words(one) == words(other)


def test_runs_of_scripts_without_spaces_are_pairs_of_characters_and_other_words_stay_whole() -> None:
    assert word_parts("Nordu新款2024冬 \ub7ec\ub2dd\ud654 Läufer-Schuh") == [
        *("nordu", "\u65b0\u6b3e", "2024", "\u51ac", "\ub7ec\ub2dd\ud654", "läufer", "schuh"),
    ]
    assert word_parts("\u0e17\u0e35\u0e48 a", 2) == ["\u0e17\u0e35", "\u0e35\u0e48"]


@given(st.text(st.characters(max_codepoint=0x4FF)))
def test_in_other_scripts_the_parts_are_the_words(text: str) -> None:
    assert word_parts(text) == words(text)


_ALIKE = st.sampled_from("aA\u00e9\u0301e \u2605!-1\ufe0f")


@given(st.text(_ALIKE, min_size=1, max_size=5), st.text(_ALIKE, min_size=1, max_size=5))
def test_texts_of_one_identity_have_the_same_words_and_those_of_others_differ_in_more_than_case(
    one: str, other: str
) -> None:
    if identity(one) == identity(other):
        assert words(one) == words(other) or not words(one)
    else:
        assert one.casefold() != other.casefold()
