"""Figures, intervals and paired differences."""

from __future__ import annotations

import numpy as np
import pytest

from tests.benchmarks.quality.confidence import risk_coverage_area
from tests.benchmarks.quality.figures import compare, estimate
from tests.benchmarks.quality.store import PerProduct


def said(correct: np.ndarray, confidence: np.ndarray, assigned: np.ndarray | None = None) -> PerProduct:
    labels = np.arange(len(correct), dtype=np.int32)
    ranked = np.full((len(correct), 5), -1, np.int32)
    ranked[:, 0] = np.where(correct, labels, labels + 1)
    return PerProduct(labels, ranked, confidence, confidence >= 0.5 if assigned is None else assigned)


def method(count: int, accuracy: float, seed: int) -> PerProduct:
    random = np.random.default_rng(seed)
    confidence = random.random(count)
    return said(random.random(count) < accuracy + (1 - accuracy) * (confidence - 0.5), confidence)


def test_figures_of_a_hand_made_case() -> None:
    confidence = np.linspace(1, 0.025, 40)
    correct = np.ones(40, np.bool_)
    correct[[0, 38, 39]] = False
    value = estimate([said(correct, confidence, confidence > 0.5)])
    assert value["exact"].value == 37 / 40
    assert value["coverage"].value == 0.5
    assert value["precision"].value == 19 / 20
    # 38 with one error are within 5 %, 39 with two are not.
    assert value["oracle_coverage"].value == 38 / 40


def test_the_area_is_that_of_the_definition() -> None:
    products = method(500, 0.8, 0)
    area = risk_coverage_area(products.confidence, products.correct)
    assert estimate([products])["aurc"].value == pytest.approx(area)


def test_intervals_hold_the_value_and_narrow_with_more_products() -> None:
    few, many = estimate([method(200, 0.8, 1)])["exact"], estimate([method(3_200, 0.8, 1)])["exact"]
    for part in (few, many):
        assert part.low < part.value < part.high
    assert many.high - many.low == pytest.approx((few.high - few.low) / 4, rel=0.3)


def test_a_paired_difference_is_surer_than_two_intervals() -> None:
    theirs = method(1_000, 0.8, 3)
    better = theirs.correct.copy()
    better[np.flatnonzero(~better)[:30]] = True
    mine = said(better, theirs.confidence)
    difference = compare([mine], [theirs])["exact"]
    assert difference.value == pytest.approx(0.03)
    assert difference.low > 0.015
    alone = estimate([mine])["exact"]
    assert alone.low < estimate([theirs])["exact"].high


def test_a_method_compared_with_itself_differs_in_nothing() -> None:
    products = method(300, 0.7, 4)
    for name, difference in compare([products, products], [products, products]).items():
        assert (difference.value, difference.low, difference.high) == (0, 0, 0), name


def test_the_relative_area_is_the_ratio_less_one() -> None:
    mine, theirs = method(800, 0.9, 5), method(800, 0.8, 5)
    found = compare([mine], [theirs])["aurc_relative"]
    areas = [risk_coverage_area(part.confidence, part.correct) for part in (mine, theirs)]
    assert found.value == pytest.approx(areas[0] / areas[1] - 1)
    assert found.low < found.value < found.high


def test_other_products_are_not_compared() -> None:
    with pytest.raises(ValueError, match="same products"):
        compare([method(100, 0.8, 6)], [method(101, 0.8, 6)])
