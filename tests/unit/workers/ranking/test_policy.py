"""Candidates to decisions: the likeliest, its ancestors, the level to back off to, and confidence."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from schemas.taxonomy.tree import Taxonomy
from workers.bundle.files import to_json
from workers.ranking.calibration import Calibrator, CandidateProbabilities
from workers.ranking.error_budget import NEVER
from workers.ranking.likeliest import AncestorLevels, TopCandidates
from workers.ranking.new_stores import NewStores
from workers.ranking.policy import Policy
from workers.recall.candidates import Candidates

TREE = Taxonomy.from_paths("t", "1", ["A > B > C", "A > B > D", "A > E", "F > G"])


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


@given(st.lists(st.lists(st.floats(0, 1), min_size=3, max_size=3), min_size=1, max_size=20), st.floats(0.01, 2))
def test_the_level_backed_off_to_is_the_deepest_that_is_much_surer_than_the_top_has_to_be(
    sure: list[list[float]], back_off: float
) -> None:
    probability = -np.sort(-np.array(sure), axis=1)
    levels = AncestorLevels(np.zeros(probability.shape, np.int32), probability)
    for of_one, level in zip(probability, Policy(NEVER, back_off).level(levels).tolist(), strict=True):
        assert (level >= 0) == (of_one[0] >= back_off)
        if level > 0:
            assert of_one[level] >= 1 - (1 - back_off) / 4
        if 0 <= level < 2:
            assert of_one[level + 1] < 1 - (1 - back_off) / 4


def test_a_policy_is_read_as_it_was_written() -> None:
    policy = Policy(0.75, 0.5, {3: 0.875}, 0.8, NEVER, NewStores(10, 0.97, 0.9))
    assert msgspec.json.decode(to_json(policy), type=Policy) == policy


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
    fitted = CandidateProbabilities.fit((3 * logits).astype(np.float32), relevant[:, :4].ravel(), owner)
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


@pytest.mark.parametrize("products", [20, 60])
def test_probabilities_are_calibrated_on_few_products_too(products: int) -> None:
    """The search once ended where it began, as its first steps were too short to tell."""
    random = np.random.default_rng(3)
    logits = random.normal(0, 1, (products, 5))
    chance = np.exp(logits) / (0.3 + np.exp(logits).sum(axis=1, keepdims=True))
    drawn = (random.random((products, 1)) < chance.cumsum(axis=1)).argmax(axis=1)
    relevant = (np.arange(5) == drawn[:, None]).ravel()
    owner = np.repeat(np.arange(products), 5)
    margins = (3 * logits).astype(np.float32).ravel()

    def loss(fitted: CandidateProbabilities) -> float:
        return -float(np.log(fitted(margins, owner)[relevant]).sum())

    grid = [CandidateProbabilities(scale, none) for scale in np.arange(0.05, 1.5, 0.05) for none in (-3, -1, 0, 1)]
    assert loss(CandidateProbabilities.fit(margins, relevant, owner)) <= min(map(loss, grid)) + 0.1
