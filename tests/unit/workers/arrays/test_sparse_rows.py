"""Products of sparse rows are those of SciPy's matrices, and a row's bits do not depend on the others."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from scipy import sparse

from workers.arrays.sparse_rows import SparseRows, offsets_from_sizes

WIDTH, COLUMNS = 7, 5
WEIGHTS = np.random.default_rng(0).normal(size=(WIDTH, COLUMNS)).astype(np.float32)
WEIGHTS[::2, 1:] = 0
FILLED = arrays.arrays(
    np.float32, st.tuples(st.integers(0, 6), st.just(WIDTH)), elements=st.sampled_from([0, 0.1, -2.5, 3.3])
)


def rows_of(filled: np.ndarray) -> SparseRows:
    rows, columns = np.nonzero(filled)
    sizes = np.bincount(rows, minlength=len(filled)).tolist()
    return SparseRows(filled[rows, columns], columns.astype(np.int32), offsets_from_sizes(sizes))


@given(FILLED)
def test_they_are_the_rows_of_a_matrix(filled: np.ndarray) -> None:
    rows = rows_of(filled)
    assert np.array_equal(rows.matrix(WIDTH).toarray(), filled)
    assert rows.sums() == pytest.approx(filled.sum(axis=1), abs=1e-5)


@given(FILLED)
def test_products_are_those_of_matrices(filled: np.ndarray) -> None:
    rows = rows_of(filled)
    assert rows.times(WEIGHTS) == pytest.approx(filled @ WEIGHTS, abs=1e-5)
    found = np.ones((len(filled), COLUMNS), np.float32)
    rows.add_product(sparse.csr_matrix(WEIGHTS), found)
    assert found == pytest.approx(1 + filled @ WEIGHTS, abs=1e-5)


@given(FILLED)
def test_a_row_gives_the_same_alone(filled: np.ndarray) -> None:
    whole = rows_of(filled).times(WEIGHTS)
    for row in range(len(filled)):
        assert np.array_equal(rows_of(filled[row : row + 1]).times(WEIGHTS)[0], whole[row])
