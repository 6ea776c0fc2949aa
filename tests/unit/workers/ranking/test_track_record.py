"""What became of products on which signals agreed alike is a share of what was counted, and never certain."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from workers.ranking.track_record import TrackRecord

NODES = 4
_counted = st.lists(st.tuples(st.integers(-1, NODES - 1), st.integers(0, NODES - 1)), max_size=30)


def _record(counted: list[tuple[int, int]]) -> TrackRecord:
    supported = np.array([first for first, _ in counted], np.int32)
    labels = np.array([label for _, label in counted], np.int32)
    priors = np.bincount(labels, minlength=NODES) / max(len(labels), 1)
    return TrackRecord.fit(supported, labels, priors.astype(np.float32))


def _shares(record: TrackRecord) -> NDArray[np.float64]:
    """The share of each category (column) where each (row) was supported most."""
    first, category = np.divmod(np.arange(NODES**2, dtype=np.int32), np.int32(NODES))
    return np.exp(record.log_share(first, category).astype(np.float64)).reshape(NODES, NODES)


@given(_counted)
def test_shares_are_of_a_whole(counted: list[tuple[int, int]]) -> None:
    shares = _shares(_record(counted))
    assert (shares > 0).all()
    # A little is left to categories that no product was in.
    assert (shares.sum(axis=1) < 1.01).all()


@given(_counted, st.integers(0, NODES - 1), st.integers(0, NODES - 1))
def test_a_further_product_raises_the_share_of_its_category_alone(
    counted: list[tuple[int, int]], first: int, label: int
) -> None:
    record = _record(counted)
    more = TrackRecord.fit(
        np.array([*(place for place, _ in counted), first], np.int32),
        np.array([*(place for _, place in counted), label], np.int32),
        record.priors,
    )
    before, after = _shares(record), _shares(more)
    assert after[first, label] > before[first, label]
    others = np.arange(NODES) != label
    assert (after[first, others] < before[first, others]).all()
    rest = np.arange(NODES) != first
    assert np.array_equal(after[rest], before[rest])


def test_many_products_outweigh_what_is_believed_without() -> None:
    shares = _shares(_record([(0, 1)] * 300 + [(0, 0)] * 100))
    assert shares[0, 1] == pytest.approx(0.75, abs=0.01)
    assert shares[0, 0] == pytest.approx(0.25, abs=0.01)
    assert shares[2, 2] == pytest.approx(0.6, abs=0.01 + 0.4 / 4)


@given(_counted)
def test_the_number_of_products_is_told(counted: list[tuple[int, int]]) -> None:
    record = _record(counted)
    sizes = Counter(first for first, _ in counted)
    found = np.expm1(record.log_products(np.arange(NODES, dtype=np.int32)))
    assert found == pytest.approx([sizes[node] for node in range(NODES)], rel=1e-5, abs=1e-6)
