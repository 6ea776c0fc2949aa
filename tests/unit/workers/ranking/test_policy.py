"""Assign, back off or review: exactly one, within the error budget."""

from __future__ import annotations

import numpy as np
import orjson
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from schemas.taxonomy.tree import Taxonomy
from workers.candidates import Candidates
from workers.ranking.calibration import Calibrator, CandidateProbabilities
from workers.ranking.likeliest import AncestorLevels, TopCandidates
from workers.ranking.policy import ErrorBudget, Policy, threshold

pytestmark = pytest.mark.unit

TREE = Taxonomy.from_paths("t", "1", ["A > B > C", "A > B > D", "A > E", "F > G"])
BUDGET = ErrorBudget(max_error=0.05, risk=0.05)


def candidates(*products: dict[str, float]) -> tuple[Candidates, np.ndarray]:
    """Candidates by path, with their probabilities."""
    rows = [sorted((TREE.index_of_path(path), p) for path, p in product.items()) for product in products]
    categories = np.array([node for row in rows for node, _ in row], np.int32)
    offsets = np.concatenate([[0], np.cumsum([len(row) for row in rows])]).astype(np.int64)
    empty = np.empty((len(categories), 0), np.float32)
    found = Candidates(
        (), (), offsets, categories, empty, empty.astype(bool), np.empty((len(rows), 0), np.float32)
    )
    return found, np.array([p for row in rows for _, p in row])


def test_the_likeliest_of_equals_is_the_first_of_the_tree() -> None:
    found, probability = candidates({"A > B > D": 0.4, "A > B > C": 0.4, "F": 0.1}, {})
    top = TopCandidates.of(found, probability)
    assert top.category.tolist() == [TREE.index_of_path("A > B > C"), -1]
    assert top.probability.tolist() == [0.4, 0.0]


def test_ancestors_sum_what_lies_below_them() -> None:
    found, probability = candidates({"A > B > C": 0.4, "A > B > D": 0.3, "A > E": 0.2, "F > G": 0.1})
    levels = AncestorLevels.of(found, probability, TREE.ancestor_matrix)
    assert [TREE.path_text(int(node)) for node in levels.category[0]] == ["A", "A > B", "A > B > C"]
    assert levels.probability[0] == pytest.approx([0.9, 0.7, 0.4])
    assert levels.deepest(0.65).tolist() == [1]
    assert levels.deepest(0.95).tolist() == [-1]


@given(st.integers(0, 2**32 - 1), st.floats(0.3, 0.99))
def test_what_is_assigned_keeps_the_budget_on_the_data_it_was_chosen_on(seed: int, skill: float) -> None:
    random = np.random.default_rng(seed)
    probability = random.beta(4 * skill, 4 * (1 - skill), 2_000)
    right = random.random(2_000) < probability
    chosen = threshold(probability, right, BUDGET)
    accepted = probability >= chosen
    if accepted.any():
        assert (~right[accepted]).mean() <= BUDGET.max_error


def test_the_budget_holds_on_new_data_as_often_as_it_says() -> None:
    broken = 0
    for seed in range(200):
        random = np.random.default_rng(seed)
        # An overconfident model: its probabilities cannot be taken at their word.
        probability = random.random(3_000)
        right = random.random(3_000) < 0.5 + 0.5 * probability**2
        chosen = threshold(probability[:1_500], right[:1_500], BUDGET)
        level = max(chosen, 0)
        true_error = 1 - (0.5 + 0.5 * np.linspace(min(level, 1), 1, 1_001) ** 2).mean() if level <= 1 else 0
        broken += true_error > BUDGET.max_error
    assert broken <= 200 * BUDGET.risk


def test_nothing_is_assigned_where_nothing_is_known() -> None:
    random = np.random.default_rng(0)
    assert threshold(random.random(500), random.random(500) < 0.5, BUDGET) > 1
    assert threshold(np.empty(0), np.empty(0, bool), BUDGET) > 1


def test_a_sure_model_assigns_all() -> None:
    probability = np.linspace(0.5, 1, 1_000)
    assert threshold(probability, np.ones(1_000, bool), BUDGET) == pytest.approx(0.5)


def test_backing_off_is_chosen_among_what_was_not_assigned() -> None:
    random = np.random.default_rng(1)
    sure = random.random(4_000) < 0.5
    # Half the products are clear; of the others, all that is known is that they are under A > B.
    rows = [{"A > B > C": 0.98} if clear else {"A > B > C": 0.5, "A > B > D": 0.47} for clear in sure]
    found, probability = candidates(*rows)
    truth_paths = [
        "A > B > C" if clear or coin < 0.5 else "A > B > D"
        for clear, coin in zip(sure, random.random(4_000), strict=True)
    ]
    truth = TREE.ancestor_matrix[[TREE.index_of_path(path) for path in truth_paths]]
    top = TopCandidates.of(found, probability)
    levels = AncestorLevels.of(found, probability, TREE.ancestor_matrix)
    policy = Policy.choose(levels, truth, top, levels.category[:, 0], BUDGET)
    assert 0.5 < policy.assign <= 0.98
    assert policy.back_off == pytest.approx(0.97)


def decisions(correct: np.ndarray, paths: list[str]) -> tuple[AncestorLevels, np.ndarray, TopCandidates]:
    """Products whose only candidate is the path given, at probability 0.9; the truth is it, or another leaf."""
    found, probability = candidates(*({path: 0.9} for path in paths))
    labels = [path if right else "A > E" for path, right in zip(paths, correct, strict=True)]
    truth = TREE.ancestor_matrix[[TREE.index_of_path(path) for path in labels]]
    return (
        AncestorLevels.of(found, probability, TREE.ancestor_matrix),
        truth,
        TopCandidates.of(found, probability),
    )


def test_a_top_level_category_beyond_the_budget_is_assigned_less_though_all_together_keep_it() -> None:
    paths = ["A > B > C"] * 4_000 + ["F > G"] * 400
    # One in a hundred is wrong under A, one in five under F: together well below one in twenty.
    correct = np.array([number % 100 > 0 for number in range(4_000)] + [number % 5 > 0 for number in range(400)])
    levels, truth, top = decisions(correct, paths)
    roots = levels.category[:, 0]
    policy = Policy.choose(levels, truth, top, roots, BUDGET)
    assigned = policy.assigns(top, roots)
    assert assigned[:4_000].all()
    assert not assigned[4_000:].any()
    assert Policy.from_json(orjson.loads(orjson.dumps(policy.to_json()))) == policy


def test_few_assignments_of_a_top_level_category_say_too_little_to_judge_it_apart() -> None:
    correct = np.array([number % 100 > 0 for number in range(4_000)] + [number % 5 > 0 for number in range(40)])
    levels, truth, top = decisions(correct, ["A > B > C"] * 4_000 + ["F > G"] * 40)
    assert Policy.choose(levels, truth, top, levels.category[:, 0], BUDGET).assign_under == {}


def test_all_that_is_assigned_or_backed_off_keeps_the_budget_together() -> None:
    random = np.random.default_rng(4)
    # Leaves are right in 97 of 100 where the model is sure, and in half where not; then their parent is, in 94.
    sure = random.random(6_000) < 0.7
    rows = [{"A > B > C": 0.95} if clear else {"A > B > C": 0.45, "A > B > D": 0.4} for clear in sure]
    found, probability = candidates(*rows)
    draws = random.random(6_000)
    labels = [
        ("A > B > C" if draw < 0.97 else "A > E")
        if clear
        else ("A > B > C" if draw < 0.5 else "A > B > D" if draw < 0.94 else "A > E")
        for clear, draw in zip(sure, draws, strict=True)
    ]
    truth = TREE.ancestor_matrix[[TREE.index_of_path(path) for path in labels]]
    levels = AncestorLevels.of(found, probability, TREE.ancestor_matrix)
    policy = Policy.choose(levels, truth, TopCandidates.of(found, probability), levels.category[:, 0], BUDGET)
    assert 0.5 < policy.assign <= 0.95
    assert policy.back_off == pytest.approx(0.85)


def test_probabilities_of_a_product_leave_room_for_none() -> None:
    owner = np.array([0, 0, 2])
    probability = CandidateProbabilities()(np.array([0.0, 0.0, 100.0], np.float32), owner)
    assert probability == pytest.approx([1 / 3, 1 / 3, 1.0])


def test_the_temperature_of_overconfident_margins_is_found() -> None:
    random = np.random.default_rng(2)
    owner = np.repeat(np.arange(3_000), 4)
    logits = random.normal(size=12_000)
    weights = np.exp(logits).reshape(-1, 4)
    shares = np.hstack([weights, np.ones((3_000, 1))])
    shares /= shares.sum(axis=1, keepdims=True)
    drawn = (shares.cumsum(axis=1) > random.random((3_000, 1))).argmax(axis=1)
    relevant = np.zeros((3_000, 5), bool)
    relevant[np.arange(3_000), drawn] = True
    fitted = CandidateProbabilities.fit((3 * logits).astype(np.float32), relevant[:, :4].ravel(), owner, 3_000)
    assert fitted.scale == pytest.approx(1 / 3, rel=0.15)
    assert fitted.none_logit == pytest.approx(0, abs=0.15)


@given(st.lists(st.tuples(st.floats(0.001, 0.999), st.booleans()), min_size=1, max_size=60))
@example([(0.5, False), (np.nextafter(0.999, 0), False), (0.999, False)])
def test_confidence_never_falls_as_probability_rises(pairs: list[tuple[float, bool]]) -> None:
    calibrator = Calibrator.fit(np.array([p for p, _ in pairs]), np.array([right for _, right in pairs]))
    confidence = calibrator(np.linspace(0, 1, 101))
    assert (np.diff(confidence) >= -1e-12).all()
    assert ((confidence >= 0) & (confidence <= 1)).all()


def test_confidence_is_the_observed_share_of_right_decisions() -> None:
    random = np.random.default_rng(3)
    probability = random.random(20_000)
    right = random.random(20_000) < probability**2
    calibrator = Calibrator.fit(probability, right)
    assert calibrator(np.array([0.3, 0.6, 0.9])) == pytest.approx([0.09, 0.36, 0.81], abs=0.04)
