"""How many weights of a linear model are kept."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse

from workers.signals import sparse_linear
from workers.signals.sparse_linear import largest, largest_stored


def test_of_a_large_model_the_largest_weights_are_kept_whichever_way_they_are_held(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    weights = np.random.default_rng(0).standard_normal((200, 30)).astype(np.float32)
    bounds = ((10, 5_000, 1, 300), (400, 500, 1, 400), (10, 50, 1, 50), (10, 50, 4, 120))
    for least, most, of_a_class, kept in bounds:
        monkeypatch.setattr(sparse_linear, "_KEPT_AT_LEAST", least)
        monkeypatch.setattr(sparse_linear, "_KEPT_AT_MOST", most)
        monkeypatch.setattr(sparse_linear, "_KEPT_OF_A_CLASS", of_a_class)
        found = largest(weights.copy())
        assert found.nnz == kept
        assert np.abs(found.data).min() >= np.sort(np.abs(weights), axis=None)[-kept - 1].astype(np.float16)
        stored = largest_stored(sparse.csr_matrix(weights))
        np.testing.assert_array_equal(found.toarray(), stored.toarray())
