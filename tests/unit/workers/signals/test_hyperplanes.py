"""Hyperplanes of many classes, each told apart from its rivals and a sample of the others."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import sparse

from workers.signals import hyperplanes, rivals
from workers.signals.hyperplanes import fit_hyperplanes
from workers.signals.rivals import Rivals

CLASSES = 40
EACH = 25
WORDS = 400


def texts(seed: int) -> tuple[sparse.csr_matrix, NDArray[np.int32]]:
    """Products with a word of their class, one of its three neighbours', and a dozen that say nothing."""
    random = np.random.default_rng(seed)
    nodes = np.repeat(np.arange(CLASSES, dtype=np.int32), EACH)
    rows = np.zeros((len(nodes), WORDS), np.float32)
    rows[np.arange(len(nodes)), nodes] = 1
    rows[np.arange(len(nodes)), CLASSES + (nodes + random.integers(0, 3, len(nodes))) % CLASSES] = 1
    for row in rows:
        row[random.integers(2 * CLASSES, WORDS, 12)] = 0.5
    return sparse.csr_matrix(rows / np.linalg.norm(rows, axis=1, keepdims=True)), nodes


def right(found: sparse.csr_matrix, intercepts: NDArray[np.float32], seed: int) -> float:
    features, nodes = texts(seed)
    return float(np.mean(((features @ found).toarray() + intercepts).argmax(axis=1) == nodes))


@pytest.fixture
def one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hyperplanes, "_CLASSES_AT_ONCE", 3)


@pytest.mark.usefixtures("one_by_one")
def test_few_products_of_many_classes_are_all_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    features, nodes = texts(0)
    one_by_one = fit_hyperplanes(features, nodes)
    monkeypatch.undo()
    at_once = fit_hyperplanes(features, nodes)
    assert np.array_equal(one_by_one.known, at_once.known)
    found, expected = ((features @ model.weights).toarray() + model.intercepts for model in (one_by_one, at_once))
    np.testing.assert_allclose(found, expected, atol=0.3)  # LIBLINEAR ends wherever its tolerance is met
    assert np.mean((found > 0) == (expected > 0)) > 0.999


@pytest.mark.usefixtures("one_by_one")
def test_a_sample_of_the_others_tells_classes_apart_as_all_of_them_do(monkeypatch: pytest.MonkeyPatch) -> None:
    everybody = fit_hyperplanes(*texts(0))
    monkeypatch.setattr(rivals, "_RESEMBLED", 5)
    monkeypatch.setattr(rivals, "_SAMPLED", 100)
    some = fit_hyperplanes(*texts(0))
    assert right(some.weights, some.intercepts, 1) >= right(everybody.weights, everybody.intercepts, 1) - 0.02
    assert right(some.weights, some.intercepts, 1) > 0.9


def test_a_class_is_told_from_what_resembles_it_and_a_sample_that_stands_for_all_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(rivals, "_RESEMBLED", 5)
    monkeypatch.setattr(rivals, "_SAMPLED", 100)
    features, nodes = texts(0)
    found = Rivals.of(features, nodes.astype(np.intp))
    for number in range(CLASSES):
        rows, stands_for = found.rows(number)
        assert len(np.unique(rows)) == len(rows) < len(nodes)
        assert set(np.flatnonzero(nodes == number)) <= set(rows[stands_for == 1])
        assert stands_for.sum() == pytest.approx(len(nodes))
        # The class after it has two words in three in common with it, one ten further on none.
        near = np.bincount(nodes[rows[stands_for == 1]], minlength=CLASSES)
        assert near[(number + 1) % CLASSES] > near[(number + 10) % CLASSES]


def test_the_rivals_of_a_class_are_the_same_each_time() -> None:
    features, nodes = texts(0)
    first, second = (Rivals.of(features, nodes.astype(np.intp)).rows(7) for _ in range(2))
    assert np.array_equal(first[0], second[0])
    assert np.array_equal(first[1], second[1])
