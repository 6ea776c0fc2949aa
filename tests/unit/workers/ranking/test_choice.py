"""The loss of margins: its slope is what trees follow, and its least value is where the truth lies."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from workers.ranking.choice import ChoiceLoss

_products = st.lists(
    st.tuples(st.lists(st.floats(-8, 8), min_size=1, max_size=5), st.integers(0, 5), st.sampled_from([0.5, 1.0])),
    min_size=1,
    max_size=4,
)


def _loss(products: list[tuple[list[float], int, float]]) -> tuple[ChoiceLoss, NDArray[np.float32]]:
    """Make the loss of products: margins, which of them is right (beyond the last: none), and the weight."""
    sizes = [len(margins) for margins, _, _ in products]
    owner = np.repeat(np.arange(len(sizes)), sizes).astype(np.int64)
    relevant = np.concatenate([np.arange(len(margins)) == right for margins, right, _ in products])
    weight = np.repeat([weight for _, _, weight in products], sizes).astype(np.float32)
    margins = np.concatenate([margins for margins, _, _ in products]).astype(np.float32)
    return ChoiceLoss(owner, relevant, weight), margins


def _summed(products: list[tuple[list[float], int, float]]) -> float:
    """The weighted sum of the loss, product by product, as its definition says."""
    found = 0.0
    for margins, right, weight in products:
        logits = np.array([*margins, 0.0], np.float32).astype(np.float64)
        found += weight * (np.logaddexp.reduce(logits) - logits[min(right, len(margins))])
    return found


@given(_products)
def test_the_derivatives_are_the_slope_of_the_loss(products: list[tuple[list[float], int, float]]) -> None:
    loss, margins = _loss(products)
    slopes, curvatures = loss.derivatives(margins)
    assert (curvatures > 0).all()
    row = 0
    for product, (own, right, weight) in enumerate(products):
        for place in range(len(own)):
            moved = [
                [*products[:product], (_moved(own, place, by), right, weight), *products[product + 1 :]]
                for by in (-0.125, 0.125)
            ]
            assert slopes[row] == pytest.approx((_summed(moved[1]) - _summed(moved[0])) / 0.25, abs=2e-3)
            row += 1


def _moved(margins: list[float], place: int, by: float) -> list[float]:
    return [margin + by * (at == place) for at, margin in enumerate(margins)]


@given(_products)
def test_the_mean_loss_is_that_of_each_products_right_answer(
    products: list[tuple[list[float], int, float]],
) -> None:
    alike = [(margins, right, 1.0) for margins, right, _ in products]
    loss, margins = _loss(alike)
    assert loss.mean(margins) == pytest.approx(_summed(alike) / len(alike), abs=1e-5)


@given(_products)
def test_the_weighted_loss_is_the_one_whose_slope_trees_follow(
    products: list[tuple[list[float], int, float]],
) -> None:
    loss, margins = _loss(products)
    total, slopes = loss.total(margins)
    assert total == pytest.approx(_summed(products), abs=1e-4)
    assert np.array_equal(slopes, loss.derivatives(margins)[0])


def test_a_right_candidate_is_pulled_up_and_its_rivals_down_the_nearer_the_more() -> None:
    loss, margins = _loss([([2.0, 1.0, -3.0], 0, 1.0)])
    slopes, _ = loss.derivatives(margins)
    assert slopes[0] < 0 < slopes[2] < slopes[1]


def test_where_none_is_right_all_are_pulled_down() -> None:
    loss, margins = _loss([([2.0, 1.0], 5, 1.0)])
    assert (loss.derivatives(margins)[0] > 0).all()


def test_of_no_products_nothing_is_said() -> None:
    nothing = np.empty(0, np.float32)
    loss = ChoiceLoss(np.empty(0, np.int64), np.empty(0, np.bool_), nothing)
    assert loss.mean(nothing) == 0
    assert loss.total(nothing)[0] == 0
    assert all(not len(found) for found in loss.derivatives(nothing))
