"""N-grams of a text: what a row holds, and that it depends on its own text alone."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse

from workers.text.ngrams import NgramOptions, NgramVectorizer, weigh
from workers.text.tokens import character_ngrams, words

CORPUS = [
    "red running shoe",
    "blue running shoe",
    "red wool sock",
    "blue wool sock",
    "läufer schuh",
    "läufer socke",
]
TEXTS = st.text(max_size=60) | st.sampled_from(CORPUS)


def rows(vectorizer: NgramVectorizer, texts: Sequence[str]) -> sparse.csr_matrix:
    parts = vectorizer.of_characters.astype(np.int64)
    weighed = weigh(*vectorizer.occurrences(texts), len(texts), vectorizer.idf, parts)
    return weighed.matrix(len(vectorizer))


def test_words_are_folded_and_compatibility_normalised() -> None:
    assert words("Crème ＢＲÛＬÉＥ, 2×100g_net!") == ["crème", "brûlée", "2", "100g", "net"]


def test_at_most_the_first_words_count() -> None:
    assert words("one two three", 2) == ["one", "two"]


def test_edges_of_a_word_are_marked_in_its_characters() -> None:
    assert character_ngrams("ab", 3, 5) == [" ab", "ab ", " ab "]


@pytest.mark.parametrize("shoe", ["鞋", "靴", "신발"])
def test_a_word_of_a_character_or_two_is_found_within_chinese_japanese_and_korean(shoe: str) -> None:
    assert shoe in character_ngrams(f"新{shoe}A1", 3, 5)
    assert " a" not in character_ngrams("a1läufer", 3, 5)


def test_what_every_word_of_chinese_japanese_and_korean_has_is_no_feature() -> None:
    assert character_ngrams("新鞋", 3, 5) == ["新", "鞋", " 新", "新鞋", "鞋 ", " 新鞋", "新鞋 ", " 新鞋 "]


def test_word_and_character_parts_have_length_one_each() -> None:
    vectorizer = NgramVectorizer.fit(CORPUS)
    row = rows(vectorizer, ["red running shoe"]).toarray()[0]
    is_word = np.array([feature.startswith("_") for feature in vectorizer.vocabulary])
    assert np.linalg.norm(row[is_word]) == pytest.approx(1, abs=1e-6)
    assert np.linalg.norm(row[~is_word]) == pytest.approx(1, abs=1e-6)


def test_a_rarer_word_weighs_more() -> None:
    texts = ["lamp red", "lamp red", "lamp blue", "lamp blue", "lamp green", "lamp green"]
    vectorizer = NgramVectorizer.fit(texts, NgramOptions(bigrams=False, characters=None))
    row = rows(vectorizer, ["lamp red"]).toarray()[0]
    weight = dict(zip(vectorizer.vocabulary, row.tolist(), strict=True))
    assert weight["_red"] > weight["_lamp"] > 0


def test_unknown_words_give_an_empty_row() -> None:
    assert rows(NgramVectorizer.fit(CORPUS), ["zzz qqq", ""]).nnz == 0


@given(st.lists(TEXTS, min_size=1, max_size=8))
def test_a_row_depends_on_its_own_text_alone(texts: list[str]) -> None:
    vectorizer = NgramVectorizer.fit(CORPUS)
    together = rows(vectorizer, texts).toarray()
    for text, row in zip(texts, together, strict=True):
        assert np.array_equal(rows(vectorizer, [text]).toarray()[0], row)


@given(st.lists(TEXTS, min_size=1, max_size=8))
def test_restored_from_its_state_it_gives_the_same_rows(texts: list[str]) -> None:
    vectorizer = NgramVectorizer.fit(CORPUS)
    restored = NgramVectorizer.restore(*vectorizer.state())
    assert np.array_equal(rows(restored, texts).toarray(), rows(vectorizer, texts).toarray())
