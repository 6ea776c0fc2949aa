from __future__ import annotations

from itertools import product as every
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.events.batch import Outcome
from schemas.taxonomy.tree import Taxonomy
from workers.evaluation.bootstrap import draw_weights, intervals
from workers.evaluation.categories import by_category, confusions
from workers.evaluation.confidence import Ordered, reliability, risk_coverage
from workers.evaluation.metrics import HEADLINES, measure
from workers.evaluation.outcomes import ProductOutcomes
from workers.evaluation.per_product import product_facts

TREE = Taxonomy.from_paths(
    "shelves", "1", ["Home > Lamps > Desk", "Home > Lamps > Floor", "Home > Rugs", "Garden > Tools > Spades"]
)
LEAVES = [TREE.index_of_path(path) for path in ("Home > Lamps > Desk", "Home > Lamps > Floor", "Home > Rugs")]
DESK, FLOOR, RUGS = LEAVES
SPADES = TREE.index_of_path("Garden > Tools > Spades")
LAMPS = TREE.index_of_path("Home > Lamps")
HOME = TREE.index_of_path("Home")
REVIEW = -1


def outcomes_of(
    labels: list[int],
    first: list[int],
    confidence: list[float],
    decided: list[int] | None = None,
    acceptable: list[set[int]] | None = None,
    **more: Any,
) -> ProductOutcomes:
    decided = first if decided is None else decided
    ranked = np.array([[node, -1, -1] for node in first], np.int32).reshape(len(first), 3)
    states = [
        Outcome.NEEDS_REVIEW if node < 0 else Outcome.ASSIGNED if node == best else Outcome.BACKED_OFF
        for node, best in zip(decided, first, strict=True)
    ]
    sets = acceptable or [{label} for label in labels]
    return ProductOutcomes(
        taxonomy=TREE,
        labels=np.array(labels, np.int32),
        acceptable=tuple(frozenset(nodes) for nodes in sets),
        ranked=more.pop("ranked", ranked),
        confidence=np.array(confidence, np.float64),
        outcome=tuple(states),
        decided=np.array(decided, np.int32),
        **more,
    )


EXAMPLE = outcomes_of(
    labels=[DESK, DESK, RUGS, SPADES],
    first=[DESK, FLOOR, RUGS, RUGS],
    confidence=[0.9, 0.6, 0.8, 0.3],
    decided=[DESK, LAMPS, RUGS, REVIEW],
    acceptable=[{DESK}, {DESK, FLOOR}, {RUGS}, {SPADES}],
    also=((FLOOR,), (), (), ()),
    signals=("text",),
    label_rank=np.array([[1, 1], [2, 2], [0, 1], [0, 0]], np.int64),
)


def test_the_figures_of_four_products_are_those_computed_by_hand() -> None:
    figures = measure(EXAMPLE)
    assert figures["n"] == 4
    assert figures["exact_accuracy"] == 0.5
    assert figures["exact_accuracy_lenient"] == 0.75
    # Shared ancestors 3 + 2 + 2 + 0 = 7; of the predicted 3 + 3 + 2 + 2 = 10; of the labels 3 + 3 + 2 + 3 = 11.
    assert figures["hierarchical_precision"] == 0.7
    assert figures["hierarchical_recall"] == pytest.approx(7 / 11, abs=1e-6)
    assert figures["hierarchical_f1"] == pytest.approx(14 / 21, abs=1e-6)
    assert figures["hierarchical_f1_lenient"] == pytest.approx(16 / 21, abs=1e-6)
    # Desk 2/3 (one of two found, said once), Rugs 2/3 (found, said twice), Spades 0; Floor has no product.
    assert figures["macro_f1"] == pytest.approx(4 / 9, abs=1e-6)
    assert figures["coverage"] == 0.5
    assert figures["precision_assigned"] == 1.0
    assert figures["usable_coverage"] == 0.75
    assert figures["hierarchical_precision_usable"] == 1.0
    assert figures["depth_kept"] == pytest.approx((1 + 2 / 3 + 1) / 3, abs=1e-6)
    assert figures["review_share"] == 0.25
    assert figures["back_off_share"] == 0.25
    assert figures["precision_backed_off"] == 1.0
    assert figures["review_first_suggestion_right"] == 0.0
    assert figures["also_per_product"] == 0.25
    assert figures["also_precision"] == 0.0
    # Four products, four bins: |.9 - 1| + |.8 - 1| + |.6 - 0| + |.3 - 0|, over 4.
    assert figures["expected_calibration_error"] == pytest.approx(1.2 / 4)
    assert figures["brier_score"] == pytest.approx((0.01 + 0.04 + 0.36 + 0.09) / 4)
    # Risks at coverage 1/4 .. 4/4: 0, 0, 1/3, 2/4; both errors come last, so nothing is in excess.
    assert figures["aurc"] == pytest.approx((1 / 3 + 1 / 2) / 4, abs=1e-6)
    assert figures["excess_aurc"] == 0.0
    assert figures["coverage_at_95_precision"] == 0.5
    assert figures["recall_at_30"] == 0.75
    assert figures["recall"]["union"] == {"1": 0.5, "3": 0.75, "10": 0.75, "30": 0.75, "any": 0.75}
    assert figures["recall"]["signals"]["text"]["3"] == 0.5
    assert [level["f1"] for level in figures["per_level_f1"]] == [0.75, 0.75, pytest.approx(0.4)]
    assert [level["n"] for level in figures["per_level_f1"]] == [4, 4, 3]


def test_the_label_among_the_three_likeliest_counts_for_top3() -> None:
    ranked = np.array([[FLOOR, RUGS, DESK, SPADES], [FLOOR, RUGS, SPADES, DESK]], np.int32)
    figures = measure(outcomes_of([DESK, DESK], [FLOOR, FLOOR], [0.5, 0.5], ranked=ranked))
    assert figures["top3_accuracy"] == 0.5


def test_every_headline_is_there_and_what_cannot_be_computed_is_null() -> None:
    nothing_assigned = measure(outcomes_of([DESK], [FLOOR], [0.2], [REVIEW]))
    assert set(HEADLINES) <= set(nothing_assigned)
    unknown = {key for key in HEADLINES if nothing_assigned[key] is None}
    assert unknown == {
        "precision_assigned",
        "precision_assigned_lenient",
        "hierarchical_precision_usable",
        "hierarchical_precision_usable_lenient",
        "depth_kept",
        "precision_backed_off",
        "recall_at_30",
        "also_per_product",
        "also_precision",
    }
    empty = measure(outcomes_of([], [], []))
    assert empty["n"] == 0
    assert all(empty[key] is None for key in HEADLINES if key != "n")
    assert intervals(outcomes_of([], [], [])) == {}


def test_a_decision_deeper_than_the_label_is_no_prefix_and_keeps_no_more_than_all_depth() -> None:
    figures = measure(outcomes_of([LAMPS], [DESK], [0.9]))
    assert figures["hierarchical_precision_usable"] == 0.0
    assert figures["depth_kept"] == 1.0


def test_equal_confidence_gives_the_expected_area_over_all_orders_of_the_tie() -> None:
    # Three products of one confidence, one wrong: the mean risk over all orders of (1, 0, 0).
    figures = measure(outcomes_of([DESK, DESK, RUGS], [DESK, DESK, DESK], [0.5, 0.5, 0.5]))
    orders = [(1, 0, 0), (0, 1, 0), (0, 0, 1)]
    expected = np.mean([[np.mean(order[: k + 1]) for k in range(3)] for order in orders])
    assert figures["aurc"] == pytest.approx(float(expected), abs=1e-6)
    assert figures["coverage_at_95_precision"] == 0.0


def test_the_lenient_choice_of_labels_makes_the_pooled_figure_largest() -> None:
    random = np.random.default_rng(3)
    nodes = list(range(len(TREE)))
    for _ in range(30):
        labels, first = random.choice(nodes, 4).tolist(), random.choice(nodes, 4).tolist()
        sets = [{label, *random.choice(nodes, 2).tolist()} for label in labels]
        lenient = measure(outcomes_of(labels, first, [0.5] * 4, acceptable=sets))["hierarchical_f1_lenient"]
        best = max(
            measure(outcomes_of(list(choice), first, [0.5] * 4))["hierarchical_f1"] for choice in every(*sets)
        )
        assert lenient == pytest.approx(best, abs=1e-6)


NODES = st.integers(0, len(TREE) - 1)
# Few values, so that ties are common.
ROWS = st.lists(
    st.tuples(
        NODES, st.integers(-1, len(TREE) - 1), st.sampled_from([0.0, 0.1, 0.5, 0.9, 1.0]), st.integers(0, 2)
    ),
    min_size=1,
    max_size=40,
)


def random_outcomes(rows: list[tuple[int, int, float, int]]) -> ProductOutcomes:
    labels = [label for label, _, _, _ in rows]
    first = [node for _, node, _, _ in rows]
    decided = [
        REVIEW if node < 0 or kind == 0 else node if kind == 1 else int(TREE.ancestor_matrix[node, 0])
        for _, node, _, kind in rows
    ]
    sets = [{label, DESK} if kind else {label} for label, _, _, kind in rows]
    rank = np.array([[kind, kind * 2] for _, _, _, kind in rows], np.int64)
    return outcomes_of(
        labels, first, [sure for _, _, sure, _ in rows], decided, sets, signals=("text",), label_rank=rank
    )


@given(ROWS)
@settings(max_examples=60)
def test_every_figure_is_in_bounds_and_lenient_is_never_below_strict(rows: list[Any]) -> None:
    figures = measure(random_outcomes(rows))
    for key in HEADLINES:
        if key not in ("n", "also_per_product") and figures[key] is not None:
            assert 0.0 <= figures[key] <= 1.0, key
    assert figures["hierarchical_f1_lenient"] >= figures["hierarchical_f1"]
    assert figures["exact_accuracy_lenient"] >= figures["exact_accuracy"]
    assert figures["top3_accuracy"] >= figures["exact_accuracy"]
    assert figures["usable_coverage"] >= figures["coverage"]
    assert figures["usable_coverage"] + figures["review_share"] == pytest.approx(1.0, abs=2e-6)
    assert figures["excess_aurc"] <= figures["aurc"]


@given(ROWS, st.randoms(use_true_random=False))
@settings(max_examples=40)
def test_the_order_of_the_file_changes_no_figure(rows: list[Any], random: Any) -> None:
    mixed = list(rows)
    random.shuffle(mixed)
    assert measure(random_outcomes(mixed)) == measure(random_outcomes(rows))


@given(st.lists(NODES, min_size=1, max_size=30))
def test_a_perfect_classifier_has_perfect_figures(labels: list[int]) -> None:
    figures = measure(outcomes_of(labels, labels, [1.0] * len(labels)))
    for key in (
        "exact_accuracy",
        "top3_accuracy",
        "hierarchical_f1",
        "hierarchical_f1_lenient",
        "macro_f1",
        "coverage",
        "precision_assigned",
        "hierarchical_precision_usable",
        "depth_kept",
        "coverage_at_95_precision",
    ):
        assert figures[key] == 1.0, key
    for key in ("expected_calibration_error", "aurc", "excess_aurc", "brier_score", "review_share"):
        assert figures[key] == 0.0, key


def test_the_bins_of_the_reliability_diagram_give_the_calibration_error() -> None:
    random = np.random.default_rng(0)
    confidence = random.integers(0, 20, 400) / 20
    correct = random.random(400) < confidence**2
    bins = reliability(confidence, correct)
    assert len(bins) == 15
    assert [one["confidence"] for one in bins] == sorted(one["confidence"] for one in bins)
    error = sum(one["n"] * abs(one["confidence"] - one["accuracy"]) for one in bins) / 400
    assert error == pytest.approx(float(Ordered.of(confidence, correct).curve().calibration_error()[0]), abs=1e-5)


def test_the_risk_coverage_curve_ends_at_all_products_and_their_error_rate() -> None:
    random = np.random.default_rng(1)
    correct = random.random(1_000) < 0.8
    curve = risk_coverage(random.random(1_000), correct)
    assert len(curve) == 200
    assert curve[-1]["coverage"] == 1.0
    assert curve[-1]["risk"] == pytest.approx(float(1 - correct.mean()), abs=1e-6)


def test_an_interval_of_accuracy_agrees_with_the_binomial_and_holds_the_figure() -> None:
    random = np.random.default_rng(5)
    labels = random.choice(LEAVES, 2_000).tolist()
    first = [label if right else SPADES for label, right in zip(labels, random.random(2_000) < 0.8, strict=True)]
    found = outcomes_of(labels, first, random.random(2_000).tolist())
    figures, between = measure(found), intervals(found, draws=400)
    low, high = between["exact_accuracy"]
    assert low is not None
    assert high is not None
    assert high - low == pytest.approx(2 * 1.96 * np.sqrt(0.8 * 0.2 / 2_000), rel=0.2)
    for key in ("exact_accuracy", "hierarchical_f1", "aurc", "coverage_at_95_precision", "macro_f1"):
        low, high = between[key]
        assert low is not None
        assert high is not None
        assert low <= figures[key] <= high, key


def test_the_same_seed_draws_the_same_products_and_another_draws_others() -> None:
    first, again, other = (np.concatenate(list(draw_weights(np.arange(50), 20, seed))) for seed in (1, 1, 2))
    assert (first == again).all()
    assert (first != other).any()
    assert (first.sum(axis=1) == 50).all()


def test_copies_of_products_make_no_interval_narrower() -> None:
    rows = [(DESK, DESK if place % 5 else FLOOR, place / 200, 1) for place in range(200)]
    of_copies = intervals(random_outcomes(rows * 4), groups=np.tile(np.arange(200), 4))
    once = intervals(random_outcomes(rows))
    assert of_copies["exact_accuracy"] == pytest.approx(once["exact_accuracy"])


def test_a_share_of_all_or_none_of_few_products_is_not_certain() -> None:
    right = outcomes_of([DESK] * 20, [DESK] * 20, [0.9] * 20)
    between = intervals(right, draws=20)
    assert between["exact_accuracy"] == pytest.approx((0.025 ** (1 / 20), 1.0), abs=1e-6)
    assert between["review_share"] == pytest.approx((0.0, 1 - 0.025 ** (1 / 20)), abs=1e-6)
    assert between["precision_backed_off"] == (None, None)
    alike = intervals(right, draws=20, groups=np.arange(20) // 4)
    assert alike["exact_accuracy"] == pytest.approx((0.025 ** (1 / 5), 1.0), abs=1e-6)


def test_near_duplicates_are_drawn_together() -> None:
    groups = np.array([0, 1, 1, 2, 1])
    weights = np.concatenate(list(draw_weights(groups, 500)))
    assert weights.shape == (500, 5)
    assert (weights[:, 1] == weights[:, 2]).all()
    assert (weights[:, 1] == weights[:, 4]).all()
    assert (weights[:, [0, 1, 3]].sum(axis=1) == 3).all()


def test_a_drawn_sample_has_the_figures_that_measuring_it_gives() -> None:
    random = np.random.default_rng(9)
    rows = [
        (int(random.choice(LEAVES)), int(random.choice(LEAVES)), float(random.integers(0, 8) / 8), 1)
        for _ in range(60)
    ]
    weights = next(draw_weights(np.arange(60), 1, 4))
    drawn = [row for row, times in zip(rows, weights[0].astype(int).tolist(), strict=True) for _ in range(times)]
    whole, sample = random_outcomes(rows), measure(random_outcomes(drawn))
    facts = product_facts(whole)
    curve = Ordered.of(whole.confidence, facts.exact).curve(weights)
    assert sample["aurc"] == pytest.approx(float(curve.area_under_risk()[0]), abs=1e-6)
    assert sample["expected_calibration_error"] == pytest.approx(float(curve.calibration_error()[0]), abs=1e-6)
    assert sample["coverage_at_95_precision"] == pytest.approx(float(curve.coverage_at_precision()[0]), abs=1e-6)


def test_confusions_and_categories_are_sorted_by_what_they_cost() -> None:
    found = outcomes_of(
        [DESK, DESK, RUGS, RUGS], [FLOOR, FLOOR, RUGS, -1], [0.9, 0.9, 0.9, 0.0], [FLOOR, -1, RUGS, -1]
    )
    pairs = confusions(found)
    assert [(pair["true"], pair["predicted"], pair["count"]) for pair in pairs] == [
        ("Home > Lamps > Desk", "Home > Lamps > Floor", 2),
        ("Home > Rugs", None, 1),
    ]
    assert [pair["assigned"] for pair in pairs] == [1, 0]
    assert pairs[0]["rows"] == [0, 1]
    assert sum(pair["share_of_errors"] for pair in pairs) == pytest.approx(1.0, abs=1e-5)
    table = by_category(found, product_facts(found))
    assert [(row["path"], row["n"], row["errors"], row["recall"]) for row in table] == [
        ("Home > Lamps > Desk", 2, 2, 0.0),
        ("Home > Rugs", 2, 1, 0.5),
    ]
    assert table[0]["precision"] is None
    assert table[0]["coverage"] == 0.5
    assert table[1]["f1"] == pytest.approx(2 / 3, abs=1e-6)
    assert table[1]["precision_assigned"] == 1.0


def test_the_interval_of_a_calibration_error_reaches_down_to_that_of_confidences_that_are_true() -> None:
    """The percentiles of its draws did so in none of these samples."""
    held = 0
    for seed in range(20):
        random = np.random.default_rng(seed)
        sure = random.beta(6, 1, 400)
        right = random.random(400) < sure
        rows = [(LEAVES[0], LEAVES[0] if hit else LEAVES[1], one, 1) for one, hit in zip(sure, right, strict=True)]
        low, high = intervals(random_outcomes(rows), draws=100, seed=seed)["expected_calibration_error"]
        point = measure(random_outcomes(rows))["expected_calibration_error"]
        assert low is not None
        assert high is not None
        assert low <= point <= high
        held += low <= 0.02
    assert held >= 15
