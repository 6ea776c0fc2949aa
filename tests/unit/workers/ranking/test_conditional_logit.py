"""The sum that the ranker's trees begin from: what it learns, and what a feature may add to it."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from safetensors.numpy import save_file

from workers.ranking.choice import ChoiceLoss
from workers.ranking.conditional_logit import ConditionalLogit

PRODUCTS, RIVALS = 500, 4
OWNER = np.repeat(np.arange(PRODUCTS), RIVALS)


def learn(
    values: NDArray[np.float32], wanted: NDArray[np.floating], monotone: tuple[int, ...], share: float = 1.0
) -> ConditionalLogit:
    """Learn from products whose right candidate is drawn by the logits ``wanted``."""
    noise = np.random.default_rng(5).gumbel(size=wanted.shape)
    chosen = (wanted + noise).reshape(PRODUCTS, RIVALS).argmax(axis=1)
    relevant = (np.arange(RIVALS) == chosen[:, None]).ravel()
    loss = ChoiceLoss(OWNER, relevant, np.ones(len(OWNER), np.float32))
    return ConditionalLogit.fit(values, loss, monotone, share)


def some_values(features: int = 3) -> NDArray[np.float32]:
    return np.random.default_rng(3).normal(size=(len(OWNER), features)).astype(np.float32)


def test_the_scale_of_a_feature_does_not_matter() -> None:
    plain = some_values()
    scaled = (plain * [7, 0.1, 1] + [50, -3, 0]).astype(np.float32)
    wanted = 2 * plain[:, 0] - plain[:, 1]
    first, second = learn(plain, wanted, (0, 0, 0)), learn(scaled, wanted, (0, 0, 0))
    assert second.weights * [7, 0.1, 1] == pytest.approx(first.weights, abs=1e-3)
    assert second.margins(scaled) == pytest.approx(first.margins(plain), abs=1e-3)
    # Beyond five standard deviations nothing is added.
    far = np.array([[50 + 7 * 5.2, -3, 0], [50 + 7 * 6, -3, 0], [50 + 7 * 4.5, -3, 0]], np.float32)
    assert second.margins(far[:1]) == second.margins(far[1:2]) > second.margins(far[2:])


def test_a_column_that_hardly_varies_beside_its_mean_has_shares_that_are_nothing_on_average() -> None:
    plain = some_values()
    plain[:, 1] = np.where(plain[:, 1] > 0, np.float32(1), np.nextafter(np.float32(1), np.float32(0)))
    plain[:, 2] = 1_000 + 0.001 * plain[:, 2]
    learned = learn(plain, np.where(plain[:, 1] == 1, 2.0, 0.0) + plain[:, 0], (0, 0, 0))
    shares = learned.contributions(plain)
    assert np.abs(shares[:, :-1].mean(axis=0)).max() < 0.02


def test_no_small_change_of_the_weights_makes_the_loss_less() -> None:
    values = some_values()
    noise = np.random.default_rng(5).gumbel(size=len(OWNER))
    chosen = (2 * values[:, 0] + noise).reshape(PRODUCTS, RIVALS).argmax(axis=1)
    loss = ChoiceLoss(OWNER, (np.arange(RIVALS) == chosen[:, None]).ravel(), np.ones(len(OWNER), np.float32))
    learned = ConditionalLogit.fit(values, loss, (0, 0, 0))
    spread = values.std(axis=0)

    def regularised(weights: NDArray[np.float32]) -> float:
        margins = (values - values.mean(axis=0)) @ weights + learned.bias
        return loss.total(margins.astype(np.float32))[0] + 5 * float(((weights * spread) ** 2).sum())

    least = regularised(learned.weights)
    for place in range(3):
        for by in (-0.05, 0.05):
            moved = learned.weights.copy()
            moved[place] += by
            assert regularised(moved) > least


@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
def test_a_share_of_the_logits_that_products_were_drawn_by_is_learned(share: float) -> None:
    values = some_values()
    learned = learn(values, 2 * values[:, 0] - values[:, 1], (0, 0, 0), share)
    assert learned.weights == pytest.approx([2 * share, -share, 0.0], abs=0.24 * share)


def test_a_feature_that_may_only_raise_the_margin_has_no_weight_where_it_would_lower_it() -> None:
    values = some_values()
    learned = learn(values, 2 * values[:, 0] - values[:, 1], (1, 1, 0))
    assert learned.weights[1] == 0
    assert learned.weights[0] > 0.5


def test_what_is_not_known_has_a_weight_of_its_own_and_what_never_was_has_none() -> None:
    values = some_values()
    unknown = np.random.default_rng(4).random(len(OWNER)) < 0.3
    values[unknown, 1] = np.nan
    values[:, 2] = np.nan
    learned = learn(values, 2.0 * unknown, (0, 0, 0))
    shares = learned.contributions(values)
    assert shares[unknown, 1].min() > 1 > shares[~unknown, 1].max()
    assert not shares[:, 2].any()


def test_a_value_far_out_counts_as_one_that_is_less_far() -> None:
    values = some_values()
    learned = learn(values, 2 * values[:, 0], (0, 0, 0))
    asked = np.zeros((3, 3), np.float32)
    asked[:, 0] = 4, 20, 2_000
    first, second, third = learned.margins(asked)
    assert first < second == third


def test_a_margin_is_the_sum_of_shares_that_are_nothing_on_average() -> None:
    values = some_values()
    values[::5, 1] = np.nan
    learned = learn(values, values[:, 0] + np.isnan(values[:, 1]), (0, 0, 0))
    shares = learned.contributions(values)
    assert shares.sum(axis=1) == pytest.approx(learned.margins(values), abs=1e-5)
    assert shares[:, :-1].mean(axis=0) == pytest.approx(np.zeros(3), abs=1e-6)


def test_a_row_has_the_same_margin_alone_and_among_others() -> None:
    values = some_values(70)
    learned = learn(values, values.sum(axis=1), (0,) * 70)
    together = learned.margins(values)
    alone = [learned.margins(values[row : row + 1])[0] for row in range(50)]
    assert np.array_equal(together[:50], alone)
    assert not len(learned.margins(values[:0]))


def test_of_nothing_it_learns_nothing() -> None:
    loss = ChoiceLoss(np.empty(0, np.int64), np.empty(0, np.bool_), np.empty(0, np.float32))
    learned = ConditionalLogit.fit(np.empty((0, 2), np.float32), loss, (0, 1))
    assert not learned.contributions(np.array([[1.0, np.nan]], np.float32)).any()


def test_it_is_the_same_when_it_is_read_again(tmp_path: Path) -> None:
    values = some_values()
    learned = learn(values, values[:, 0], (0, 0, 0))
    learned.save(tmp_path / "sum")
    assert np.array_equal(ConditionalLogit.load(tmp_path / "sum", 3).margins(values), learned.margins(values))
    with pytest.raises(ValueError, match="rows of 2 features for a ranker of 3"):
        learned.margins(values[:, :2])


@pytest.mark.parametrize(
    "change",
    [
        {"low": np.zeros(2, np.float32)},
        {"weights": np.full(3, np.nan, np.float32)},
        {"missing": np.zeros(3)},
        {"bias": np.zeros(3, np.float32)},
    ],
    ids=lambda change: next(iter(change)),
)
def test_weights_that_are_not_of_the_ranker_are_refused_by_name(tmp_path: Path, change: dict[str, Any]) -> None:
    values = some_values()
    altered = replace(learn(values, values[:, 0], (0, 0, 0)), **change)
    save_file(asdict(altered), tmp_path / "sum")
    with pytest.raises(ValueError, match=f"sum: {next(iter(change))} (is|holds)"):
        ConditionalLogit.load(tmp_path / "sum", 3)
