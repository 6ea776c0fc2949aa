"""The baselines learn the sample catalogue, alone and together."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.benchmarks.quality.baselines.registry import BASELINES, available
from tests.benchmarks.quality.cross_fit import Said, combine, run_baseline
from tests.benchmarks.quality.datasets import Catalogue, Dataset
from tests.benchmarks.quality.splits import Problem, make_problem
from tests.sample_model import sample_products
from workers.fit.label_tree import taxonomy_of_labels
from workers.fit.labels import label_products
from workers.progress import silent

LEARNING = [name for name in available(encoder=False) if name in BASELINES]


@pytest.fixture(scope="module")
def problem() -> Problem:
    rows = sample_products(3, 300)
    tree = taxonomy_of_labels(rows)
    products = label_products(rows, tree)
    catalogue = Catalogue(Dataset("sample", "sample.jsonl"), tree, products, np.unique(products.labels))
    return make_problem(catalogue, "random", 0)


@pytest.fixture(scope="module")
def said(problem: Problem, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Said]:
    directory = tmp_path_factory.mktemp("said")
    return {
        name: run_baseline(BASELINES[name], problem, None, silent, directory / f"{name}.npz") for name in LEARNING
    }


def exact(found: Said, problem: Problem) -> float:
    return float((found.test.categories[:, 0] == problem.test.labels).mean())


@pytest.mark.parametrize("name", LEARNING)
def test_a_baseline_beats_the_commonest_category(name: str, problem: Problem, said: dict[str, Said]) -> None:
    commonest = np.bincount(problem.test.labels).max() / len(problem.test.labels)
    assert exact(said[name], problem) > commonest + 0.1
    assert len(said[name].out_of_fold) == len(problem.training.labels)


@pytest.mark.parametrize("name", LEARNING)
def test_scores_fall_from_the_first(name: str, said: dict[str, Said]) -> None:
    scores = said[name].test.scores
    known = np.isfinite(scores[:, 1:])
    assert (scores[:, :-1] >= scores[:, 1:])[known].all()


@pytest.mark.parametrize("name", LEARNING)
def test_one_labelled_product_is_enough_to_go_on(name: str, problem: Problem, tmp_path: Path) -> None:
    one = Problem("one", problem.taxonomy, problem.training.take(np.array([0])), problem.test, problem.observed)
    found = run_baseline(BASELINES[name], one, None, silent, tmp_path / "one.npz")
    assert (found.test.categories[:, 0] == problem.training.labels[0]).all()


def test_what_was_said_is_read_back_as_it_was(problem: Problem, tmp_path: Path) -> None:
    file = tmp_path / "majority.npz"
    first = run_baseline(BASELINES["majority"], problem, None, silent, file)
    again = run_baseline(BASELINES["majority"], problem, None, silent, file)
    assert np.array_equal(first.test.scores, again.test.scores)
    assert first.microseconds == again.microseconds


def test_the_combination_is_about_as_good_as_its_best(problem: Problem, said: dict[str, Said]) -> None:
    together = combine([said["svm"], said["logistic"], said["neighbours"]], problem.training.labels)
    best = max(exact(said[name], problem) for name in ("svm", "logistic", "neighbours"))
    assert exact(together, problem) > best - 0.05
