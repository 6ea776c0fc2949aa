"""Candidates survive their way through a message; malformed ones are refused."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from schemas.errors import InvalidEvent
from schemas.events.batch import PackedCandidates
from schemas.events.codec import decode, encode
from workers.recall.candidates import Candidates
from workers.recall.packing import check_categories, pack, unpack

_NODES = 50


@st.composite
def candidate_sets(draw: st.DrawFn, fewest_contexts: int = 0) -> Candidates:
    counts = draw(st.lists(st.integers(0, 4), max_size=6))
    signals, contexts = draw(st.integers(0, 4)), draw(st.integers(fewest_contexts, 3))
    rows = sum(counts)
    floats = st.floats(width=32, allow_nan=True)
    return Candidates(
        signals=tuple(f"signal_{number}" for number in range(signals)),
        context_names=tuple(f"context_{number}" for number in range(contexts)),
        offsets=np.concatenate([[0], np.cumsum(counts, dtype=np.int64)]).astype(np.int64),
        categories=draw(arrays.arrays(np.int32, rows, elements=st.integers(0, _NODES - 1))),
        scores=draw(arrays.arrays(np.float32, (rows, signals), elements=floats)),
        proposed=draw(arrays.arrays(np.bool_, (rows, signals))),
        context=draw(arrays.arrays(np.float32, (len(counts), contexts), elements=floats)),
    )


def _assert_equal(left: Candidates, right: Candidates) -> None:
    assert (left.signals, left.context_names) == (right.signals, right.context_names)
    for name in ("offsets", "categories", "scores", "proposed", "context"):
        one, other = getattr(left, name), getattr(right, name)
        assert one.dtype == other.dtype
        np.testing.assert_array_equal(one, other)


@given(candidate_sets())
def test_candidates_come_back_as_they_were_packed(candidates: Candidates) -> None:
    travelled = decode(encode(pack(candidates)), PackedCandidates)
    _assert_equal(unpack(travelled), candidates)


# Without context, fewer offsets are those of fewer products, none of which has a candidate.
@given(candidate_sets(fewest_contexts=1), st.data())
def test_bytes_of_any_other_length_are_refused(candidates: Candidates, data: st.DataObject) -> None:
    packed = pack(candidates)
    name = data.draw(st.sampled_from(["offsets", "categories", "scores", "named", "context"]))
    value = getattr(packed, name)
    changed = data.draw(
        st.one_of(st.just(value + b"\x01"), st.integers(0, max(len(value) - 1, 0)).map(lambda end: value[:end]))
    )
    if changed == value:
        return
    with pytest.raises(InvalidEvent, match="packed candidates"):
        unpack(msgspec.structs.replace(packed, **{name: changed}))


@given(st.binary(max_size=64), st.binary(max_size=64), st.binary(max_size=64))
def test_arbitrary_bytes_are_read_or_refused(offsets: bytes, categories: bytes, scores: bytes) -> None:
    packed = PackedCandidates(
        signals=("one",),
        context_names=(),
        offsets=offsets,
        categories=categories,
        scores=scores,
        named=b"",
        context=b"",
    )
    try:
        candidates = unpack(packed)
    except InvalidEvent:
        return
    assert candidates.offsets[-1] == len(candidates.categories) == len(candidates.scores)


@pytest.mark.parametrize("offsets", [[0, 2, 1, 2], [1, 1, 2], [0, 1, 3], []])
def test_offsets_that_do_not_divide_the_candidates_are_refused(offsets: list[int]) -> None:
    packed = PackedCandidates(
        signals=(),
        context_names=(),
        offsets=np.array(offsets, "<i8").tobytes(),
        categories=np.zeros(2, "<i4").tobytes(),
        scores=b"",
        named=b"",
        context=b"",
    )
    with pytest.raises(InvalidEvent, match="offsets must rise from 0 to 2"):
        unpack(packed)


def test_a_category_outside_the_tree_is_refused() -> None:
    packed = PackedCandidates(
        signals=(),
        context_names=(),
        offsets=np.array([0, 1], "<i8").tobytes(),
        categories=np.array([7], "<i4").tobytes(),
        scores=b"",
        named=b"",
        context=b"",
    )
    candidates = unpack(packed)
    check_categories(candidates, 8)
    with pytest.raises(InvalidEvent, match="from 0 to 6"):
        check_categories(candidates, 7)


@given(candidate_sets(), st.lists(st.integers(0, 6), max_size=4))
def test_the_parts_of_candidates_concatenated_are_the_whole(candidates: Candidates, cuts: list[int]) -> None:
    bounds = [0, *sorted(min(cut, len(candidates)) for cut in cuts), len(candidates)]
    parts = [candidates.part(start, stop) for start, stop in pairwise(bounds)]
    assert [len(part) for part in parts] == [stop - start for start, stop in pairwise(bounds)]
    _assert_equal(Candidates.concatenate(parts), candidates)


@given(candidate_sets())
def test_what_was_made_by_no_signals_takes_no_part(candidates: Candidates) -> None:
    nothing = replace(candidates.part(0, 0), signals=(), scores=np.empty((0, 0), np.float32))
    whole = Candidates.concatenate([nothing, candidates, nothing])
    if len(candidates):
        _assert_equal(whole, candidates)
    else:
        assert len(whole) == 0
