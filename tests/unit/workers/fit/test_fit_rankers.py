"""What rankers learn from: nothing that a product's own label tells."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from schemas.taxonomy.tree import Taxonomy
from workers.fit.fit_rankers import ranking_examples
from workers.fit.out_of_fold import OutOfFold
from workers.ranking.features import most_supported
from workers.ranking.track_record import TrackRecord
from workers.recall.candidates import Candidates

TREE = Taxonomy.from_paths("t", "1", ["A", "B", "C", "D"])


def out_of_fold(products: list[tuple[int, int, int]]) -> OutOfFold:
    """Products (fold, label, what the signal puts first) of which every node of the tree is a candidate."""
    count, nodes = len(products), len(TREE)
    folds, labels, firsts = np.array(products, np.int64).reshape(-1, 3).T
    candidates = Candidates(
        signals=("one",),
        context_names=(),
        offsets=np.arange(count + 1, dtype=np.int64) * nodes,
        categories=np.tile(np.arange(nodes, dtype=np.int32), count),
        scores=(np.arange(nodes) == firsts[:, None]).astype(np.float32).reshape(-1, 1),
        proposed=np.ones((count * nodes, 1), np.bool_),
        context=np.empty((count, 0), np.float32),
    )
    acceptable = tuple(frozenset([label]) for label in labels.tolist())
    return OutOfFold(candidates, labels.astype(np.int32), folds, acceptable, np.arange(len(labels)))


_nodes = st.integers(0, len(TREE) - 1)


@given(st.lists(st.tuples(st.integers(0, 3), _nodes, _nodes), max_size=12).map(sorted))
def test_what_is_known_of_categories_was_counted_on_the_products_of_other_folds(
    products: list[tuple[int, int, int]],
) -> None:
    examples = ranking_examples(out_of_fold(products), out_of_fold([(-1, 2, 2)]), TREE)
    nodes = np.arange(len(TREE), dtype=np.int32)
    for row, (own, _, first) in enumerate(products):
        values = dict(zip(examples.names, examples.values[row * len(TREE) :][: len(TREE)].T, strict=True))
        others = [(label, put_first) for fold, label, put_first in products if fold != own]
        labels, firsts = np.array(others, np.int32).reshape(-1, 2).T
        priors = np.bincount(labels, minlength=len(TREE)) / max(len(others), 1)
        assert np.allclose(np.exp(values["category_log_prior"]), priors + 1e-6, rtol=1e-4)
        record = TrackRecord.fit(firsts, labels, priors.astype(np.float32))
        supported = np.full(len(TREE), first, np.int32)
        assert np.allclose(values["agreement_log_share_of_earlier"], record.log_share(supported, nodes), rtol=1e-5)
        assert np.allclose(np.expm1(values["agreement_log_earlier_products"]), (firsts == first).sum(), atol=1e-4)
    assert examples.relevant.sum() == len(products) + 1


def test_most_supported_is_what_signals_put_first_and_nothing_of_a_product_without_candidates() -> None:
    candidates = out_of_fold([(0, 1, 3), (0, 1, 0)]).candidates
    assert most_supported(candidates).tolist() == [3, 0]
    without = replace(candidates, offsets=np.array([0, 0, 4, 8], np.int64), context=np.empty((3, 0), np.float32))
    assert most_supported(without).tolist() == [-1, 3, 0]
