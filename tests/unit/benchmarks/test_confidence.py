"""Confidence and thresholds of the baselines."""

from __future__ import annotations

import numpy as np
import pytest

from tests.benchmarks.quality.confidence import Confidence, risk_coverage_area, threshold_at_precision
from tests.benchmarks.quality.ranked import (
    KEPT,
    Ranked,
    average,
    empty,
    fit_temperature,
    fit_weights,
    probabilities,
    put_together,
    rank,
)


def scored(count: int, seed: int) -> tuple[Ranked, np.ndarray]:
    """Margins of which the greater gap is the likelier right."""
    random = np.random.default_rng(seed)
    labels = random.integers(0, 6, count).astype(np.int32)
    scores = random.normal(size=(count, 6))
    scores[np.arange(count), labels] += random.exponential(2.0, count)
    return rank(scores, np.arange(6, dtype=np.int32)), labels


def test_the_threshold_is_the_least_that_keeps_the_precision() -> None:
    confidence = np.array([0.9, 0.8, 0.7, 0.6, 0.5])
    correct = np.array([True, True, False, True, True])
    assert threshold_at_precision(confidence, correct, 0.8) == 0.5
    assert threshold_at_precision(confidence, correct, 0.9) == 0.8
    assert threshold_at_precision(confidence, ~correct, 0.9) == np.inf


def test_a_tie_is_above_the_threshold_as_a_whole_or_not_at_all() -> None:
    confidence = np.array([0.9, 0.5, 0.5])
    assert threshold_at_precision(confidence, np.array([True, True, False]), 0.9) == 0.9


def test_the_area_is_the_mean_error_rate_of_the_surest() -> None:
    confidence = np.array([0.9, 0.8, 0.7, 0.6])
    correct = np.array([True, False, True, False])
    assert risk_coverage_area(confidence, correct) == pytest.approx((0 + 1 / 2 + 1 / 3 + 2 / 4) / 4)
    assert risk_coverage_area(np.ones(4), correct) == pytest.approx((2 + 1) / 6 * 1.0, abs=0.26)
    assert risk_coverage_area(np.ones(4), correct) == risk_coverage_area(np.ones(4), correct[::-1])


def test_confidence_is_the_share_of_right_and_keeps_the_precision_on_others() -> None:
    fitted = Confidence.fit(*scored(4_000, 0))
    ranked, labels = scored(4_000, 1)
    sure = fitted(ranked)
    right = ranked.categories[:, 0] == labels
    for low in (0.2, 0.4, 0.6, 0.8):
        inside = (sure >= low) & (sure < low + 0.2)
        if inside.sum() > 100:
            assert right[inside].mean() == pytest.approx(sure[inside].mean(), abs=0.08)
    assigned = sure >= fitted.threshold
    assert assigned.sum() > 400
    assert right[assigned].mean() > 0.92


def test_what_nothing_is_said_of_has_no_confidence() -> None:
    assert Confidence.fit(*scored(200, 0))(empty(3)).tolist() == [0, 0, 0]
    assert Confidence.unfitted().threshold == np.inf


def test_ranks_fall_and_what_has_no_score_has_no_category() -> None:
    found = rank(np.array([[0.1, np.inf * -1, 0.7]]), np.array([5, 6, 7], np.int32))
    assert found.categories[0, :3].tolist() == [7, 5, -1]
    assert found.categories.shape == (1, KEPT)


def test_temperature_makes_probabilities_of_margins() -> None:
    ranked, labels = scored(3_000, 2)
    of_first = probabilities(ranked, fit_temperature(ranked, labels))[:, 0]
    assert of_first.mean() == pytest.approx((ranked.categories[:, 0] == labels).mean(), abs=0.03)


def test_the_average_adds_what_members_say_of_one_category() -> None:
    classes = np.array([0, 1, 2], np.int32)
    first = rank(np.log([[0.6, 0.4, 1e-9]]), classes)
    second = rank(np.log([[1e-9, 0.4, 0.6]]), classes)
    mean = average([first, second], [1.0, 1.0])
    assert mean.categories[0, :3].tolist() == [1, 0, 2]
    assert np.exp(mean.scores[0, :3]) == pytest.approx([0.4, 0.3, 0.3], abs=1e-6)
    assert mean.categories[0, 3] == -1


def test_a_member_that_knows_nothing_gets_no_weight() -> None:
    good, labels = scored(1_000, 3)
    bad, _ = scored(1_000, 4)
    weights = fit_weights([good, bad], [fit_temperature(good, labels), 1.0], labels)
    assert weights.sum() == pytest.approx(1)
    assert weights[0] > 0.9


def test_of_no_products_nothing_is_said() -> None:
    assert len(put_together([], np.arange(0))) == 0
