"""What rankers learn from: nothing that a product's own label tells."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.taxonomy.tree import Taxonomy
from workers.candidates import Candidates
from workers.fit.fit_rankers import lessons_of
from workers.fit.out_of_fold import OutOfFold

pytestmark = pytest.mark.unit

TREE = Taxonomy.from_paths("t", "1", ["A", "B", "C", "D"])


def out_of_fold(labels: list[int], folds: list[int]) -> OutOfFold:
    """Products of which every node of the tree is a candidate."""
    count, nodes = len(labels), len(TREE)
    candidates = Candidates(
        signals=("one",),
        context_names=(),
        offsets=np.arange(count + 1, dtype=np.int64) * nodes,
        categories=np.tile(np.arange(nodes, dtype=np.int32), count),
        scores=np.zeros((count * nodes, 1), np.float32),
        named=np.ones((count * nodes, 1), np.bool_),
        context=np.empty((count, 0), np.float32),
    )
    acceptable = tuple(frozenset([label]) for label in labels)
    return OutOfFold(candidates, np.array(labels, np.int32), np.array(folds, np.int64), acceptable)


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), max_size=12).map(sorted))
def test_how_common_a_category_is_was_counted_on_the_products_of_other_folds(found: list[tuple[int, int]]) -> None:
    folds, labels = [fold for fold, _ in found], [label for _, label in found]
    lessons = lessons_of(out_of_fold(labels, folds), out_of_fold([2], [-1]), TREE)
    priors = lessons.values[:, lessons.features.names.index("category_log_prior")].reshape(-1, len(TREE))
    for row, fold in enumerate(folds):
        others = np.array([label for label, other in zip(labels, folds, strict=True) if other != fold], np.int32)
        share = np.bincount(others, minlength=len(TREE)) / max(len(others), 1)
        assert np.allclose(np.exp(priors[row]), share + 1e-6, rtol=1e-4)
    assert lessons.relevant.sum() == len(labels) + 1
