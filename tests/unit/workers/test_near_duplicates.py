"""Groups of near-duplicates are what a comparison of all pairs gives, in any order, and never one lump."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workers.near_duplicates import WordSets, most_similar, near_duplicate_groups
from workers.text.tokens import words

# Few words, so that near-duplicates are common.
TEXTS = st.lists(st.lists(st.sampled_from("abcdefgh"), max_size=12).map(" ".join), max_size=40)
THRESHOLDS = st.sampled_from([0.3, 0.5, 2 / 3, 0.75, 0.8, 0.9, 1.0])


def jaccard(one: str, other: str) -> float:
    a, b = Counter(words(one)), Counter(words(other))
    union = (a | b).total()
    return 1.0 if union == 0 else (a & b).total() / union


def components(texts: Sequence[str], threshold: float) -> list[int]:
    group = list(range(len(texts)))
    for i in range(len(texts)):
        for j in range(i):
            if jaccard(texts[i], texts[j]) >= threshold - 1e-12:
                old, new = group[i], group[j]
                group = [new if g == old else g for g in group]
    return group


def partition(groups: Sequence[int]) -> set[frozenset[int]]:
    members: dict[int, set[int]] = {}
    for place, group in enumerate(groups):
        members.setdefault(group, set()).add(place)
    return {frozenset(found) for found in members.values()}


@given(TEXTS, THRESHOLDS)
def test_groups_are_the_components_of_all_similar_pairs(texts: list[str], threshold: float) -> None:
    found = near_duplicate_groups(texts, threshold, max_group=1_000)
    assert partition(found.tolist()) == partition(components(texts, threshold))


@given(TEXTS, THRESHOLDS, st.integers(1, 10), st.randoms(use_true_random=False))
def test_the_order_of_the_texts_does_not_matter(
    texts: list[str], threshold: float, most: int, rng: random.Random
) -> None:
    order = list(range(len(texts)))
    rng.shuffle(order)
    shuffled = near_duplicate_groups([texts[i] for i in order], threshold, most)
    back = np.empty(len(texts), np.int64)
    back[order] = shuffled
    assert partition(back.tolist()) == partition(near_duplicate_groups(texts, threshold, most).tolist())


@given(TEXTS, THRESHOLDS, THRESHOLDS)
def test_a_higher_threshold_only_divides_groups(texts: list[str], one: float, other: float) -> None:
    coarse = near_duplicate_groups(texts, min(one, other)).tolist()
    fine = near_duplicate_groups(texts, max(one, other)).tolist()
    assert len(set(zip(coarse, fine, strict=True))) == len(set(fine))


@given(TEXTS, THRESHOLDS, st.integers(1, 5))
def test_texts_of_equal_words_are_one_group_whatever_the_bound(
    texts: list[str], threshold: float, most: int
) -> None:
    turned = [" ".join(reversed(text.upper().split())) for text in texts]
    groups = near_duplicate_groups(texts + turned, threshold, most)
    assert groups[: len(texts)].tolist() == groups[len(texts) :].tolist()


@given(TEXTS, THRESHOLDS, st.integers(1, 10))
def test_a_group_of_different_texts_keeps_the_bound(texts: list[str], threshold: float, most: int) -> None:
    groups = near_duplicate_groups(texts, threshold, most)
    for members in partition(groups.tolist()):
        different = {tuple(sorted(words(texts[i]))) for i in members}
        assert len(different) == 1 or len(members) <= most


def test_groups_are_numbered_as_they_appear() -> None:
    assert near_duplicate_groups(["b b", "a", "b b", "c", "a"]).tolist() == [0, 1, 0, 2, 1]
    assert near_duplicate_groups([]).tolist() == []


@pytest.mark.parametrize(
    ("one", "other", "different"),
    [
        (
            "新款男士透气运动鞋户外防滑跑步鞋黑色42码",
            "新款男士透气运动鞋户外防滑跑步鞋黑色43码",
            "可爱陶瓷马克杯大容量带盖办公室咖啡杯",
        ),
        ("รองเท้าวิ่งผู้ชายกันน้ำคุณภาพดีสีดำ", "รองเท้าวิ่งผู้ชายกันน้ำคุณภาพดีสีดำ 42", "หมอนหนุนผ้าฝ้ายนุ่มสำหรับเด็กสีขาว"),
    ],
    ids=["chinese", "thai"],
)
def test_near_duplicates_are_found_in_scripts_without_spaces(one: str, other: str, different: str) -> None:
    assert near_duplicate_groups([one, other, different]).tolist() == [0, 0, 1]
    found, _ = most_similar(WordSets.of([different, one]), WordSets.of([other]))
    assert found.tolist() == [1]


def test_boilerplate_does_not_chain_into_one_group() -> None:
    colours = [f"colour{i}" for i in range(30)]
    sizes = [f"size{i}" for i in range(30)]
    boilerplate = "organic cotton crew neck long sleeve shirt for men by acme"
    texts = [f"{boilerplate} {colour} {size}" for colour in colours for size in sizes]
    assert len(set(near_duplicate_groups(texts, max_group=10_000).tolist())) == 1
    groups = near_duplicate_groups(texts, max_group=200)
    assert np.bincount(groups).max() <= 200


def test_thousands_of_texts_that_are_all_equally_similar_are_groups_of_the_largest_size() -> None:
    texts = [f"one two three four five six seven eight nine ten number{i}" for i in range(2_000)]
    assert np.bincount(near_duplicate_groups(texts)).tolist() == [200] * 10


@given(TEXTS, THRESHOLDS, st.integers(1, 10))
def test_a_group_is_never_of_texts_that_no_chain_of_similar_ones_joins(
    texts: list[str], threshold: float, most: int
) -> None:
    groups = near_duplicate_groups(texts, threshold, most).tolist()
    chained = components(texts, threshold)
    assert len(set(zip(chained, groups, strict=True))) == len(set(groups))


@settings(max_examples=200)
@given(TEXTS, TEXTS, THRESHOLDS)
def test_the_most_similar_text_is_the_one_that_all_pairs_give(
    texts: list[str], queries: list[str], threshold: float
) -> None:
    found, similarity = most_similar(WordSets.of(texts), WordSets.of(queries), threshold)
    for query, index, value in zip(queries, found.tolist(), similarity.tolist(), strict=True):
        all_pairs = [jaccard(query, text) if words(query) else 0.0 for text in texts]
        best = max(all_pairs, default=0.0)
        if best < threshold - 1e-12:
            assert (index, value) == (-1, 0.0)
        else:
            assert value == pytest.approx(best)
            assert index == all_pairs.index(best)


@pytest.mark.parametrize("threshold", [0.0, -1.0, 1.01])
def test_a_threshold_that_is_no_similarity_is_refused(threshold: float) -> None:
    with pytest.raises(ValueError, match="threshold"):
        near_duplicate_groups(["a"], threshold)
