"""Vectorised work by product equals the plain loop."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from workers.arrays import segments

GROUPS = st.lists(st.lists(st.floats(-5, 5, width=32) | st.just(float("nan")), max_size=5), min_size=1, max_size=5)


def flat(groups: list[list[float]]) -> tuple[np.ndarray, np.ndarray]:
    values = np.array([value for group in groups for value in group], np.float32)
    owner = np.repeat(np.arange(len(groups)), [len(group) for group in groups])
    return values, owner.astype(np.int64)


@given(GROUPS)
def test_ranks_count_the_better_ones(groups: list[list[float]]) -> None:
    values, owner = flat(groups)
    ranks = segments.ranks(values, owner)
    for row, value in enumerate(values):
        mates = values[owner == owner[row]]
        if np.isnan(value):
            assert ranks[row] == 0
        else:
            better, equal = (mates > value).sum(), (mates == value).sum()
            assert better < ranks[row] <= better + equal


@given(GROUPS, st.sampled_from([0, 1 << 29]))
def test_rows_fall_by_value_and_of_equal_ones_the_first_comes_first(groups: list[list[float]], owner: int) -> None:
    """Of so many products that positions do not fit into keys, too."""
    values, owners = flat(groups)
    owners += owner
    expected = sorted(range(len(values)), key=lambda row: (owners[row], -np.nan_to_num(values[row], nan=-9), row))
    assert segments.argsort_within_groups(values, owners).tolist() == expected


@given(st.lists(st.integers(0, 4), max_size=12))
def test_positions_count_the_rows_of_the_same_product_before(sizes: list[int]) -> None:
    owner = np.repeat(np.arange(len(sizes)), sizes)
    assert segments.position_in_group(owner).tolist() == [position for size in sizes for position in range(size)]


@given(st.lists(st.tuples(st.integers(0, 5), st.floats(0, 5)), max_size=30))
def test_totals_are_by_key(pairs: list[tuple[int, float]]) -> None:
    keys = np.array([key for key, _ in pairs], np.int64)
    values = np.array([value for _, value in pairs], np.float64)
    totals = segments.total(values, keys)
    for row in range(len(pairs)):
        assert totals[row] == pytest.approx(values[keys == keys[row]].sum())


@given(GROUPS)
def test_each_column_is_ranked_for_itself(groups: list[list[float]]) -> None:
    values, owner = flat(groups)
    table = np.stack([values, -values, np.roll(values, 1)], axis=1)
    ranks = segments.ranks(table, owner)
    for column in range(3):
        assert np.array_equal(ranks[:, column], segments.ranks(table[:, column], owner))


@given(st.lists(st.integers(-3, 3), max_size=20))
def test_groups_are_the_distinct_keys(chosen: list[int]) -> None:
    keys = np.array(chosen, np.int64)
    found, index = segments.groups(keys)
    assert found.tolist() == sorted(set(chosen))
    assert np.array_equal(found[index], keys)


@given(st.lists(st.lists(st.integers(-2, 2), min_size=1, max_size=5), max_size=5))
def test_of_the_greatest_values_of_a_product_the_first_is_found(groups: list[list[int]]) -> None:
    values, owner = flat([[float(value) for value in group] for group in groups])
    firsts = segments.starts(owner)
    found = segments.first_greatest(values.astype(np.float64), firsts)
    expected = [first + group.index(max(group)) for first, group in zip(firsts.tolist(), groups, strict=True)]
    assert found.tolist() == expected


@given(GROUPS)
def test_the_best_two_are_the_greatest_known_values_of_the_product(groups: list[list[float]]) -> None:
    values, owner = flat(groups)
    table = np.stack([values, -values], axis=1)
    found = segments.best_two(table, owner, segments.argsort_within_groups(table, owner))
    for row in range(len(values)):
        mates = table[owner == owner[row]]
        for column in range(2):
            known = np.sort(mates[~np.isnan(mates[:, column]), column])[::-1]
            expected = [*known.tolist()[:2], np.nan, np.nan][:2]
            assert np.array_equal([each[row, column] for each in found], expected, equal_nan=True)


@given(st.sets(st.integers(-9, 9)).map(sorted), st.lists(st.integers(-12, 12)))
def test_what_is_among_the_keys_is_found_there(keys: list[int], wanted: list[int]) -> None:
    index, found = segments.find(np.array(keys, np.int64), np.array(wanted, np.int64))
    assert found.tolist() == [value in keys for value in wanted]
    assert [keys[each] for each in index[found]] == [value for value in wanted if value in keys]


@given(st.lists(st.integers(0, 5)).map(sorted))
def test_a_position_is_how_many_rows_of_the_product_come_before(owner: list[int]) -> None:
    assert segments.position_in_group(np.array(owner, np.int64)).tolist() == [
        owner[:row].count(of) for row, of in enumerate(owner)
    ]
