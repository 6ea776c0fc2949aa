"""The gate compares the figures that `shelfwise evaluate` shows."""

from __future__ import annotations

import numpy as np
import pytest

from tests.simulated_outcomes import Simulated, simulate_pair
from workers.evaluation.metrics import measure
from workers.gate.headline import HEADLINE, Headline


@pytest.mark.parametrize("digits", [1, 8])
@pytest.mark.parametrize("products", [7, 15, 400])
def test_with_weights_of_one_the_figures_are_those_of_the_evaluation(products: int, digits: int) -> None:
    outcomes, _ = simulate_pair(np.random.default_rng(products), Simulated(products=products))
    outcomes.confidence[:] = outcomes.confidence.round(digits)
    figures = measure(outcomes)
    values = Headline.of(outcomes).values(np.ones((1, products)))[0]
    for name, value in zip(HEADLINE, values, strict=True):
        assert value == pytest.approx(figures[name], abs=1e-5), name


def test_a_weight_counts_a_product_as_often() -> None:
    outcomes, _ = simulate_pair(np.random.default_rng(3), Simulated(products=50))
    weights = np.random.default_rng(4).integers(0, 4, 50)
    values = Headline.of(outcomes).values(weights[None, :].astype(float))[0]
    right = np.repeat(outcomes.ranked[:, 0] == outcomes.labels, weights)
    assert values[HEADLINE.index("exact_accuracy")] == pytest.approx(right.mean())
