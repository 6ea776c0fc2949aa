"""Tables made of stored results."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.benchmarks.quality import store
from tests.benchmarks.quality.figures import Estimate
from tests.benchmarks.quality.ours import CASCADE, OURS, methods
from tests.benchmarks.quality.plan import Choice, plan
from tests.benchmarks.quality.store import PerProduct, Run
from tests.benchmarks.quality.tables import percent, replace_section, table, write_tables

SECTIONS = ("random", "differences", "catalogues", "harder", "curves", "decisions", "ablation")


def store_result(out: Path, run: Run, accuracy: float) -> None:
    random = np.random.default_rng(run.seed)
    labels = np.arange(300, dtype=np.int32)
    ranked = np.full((300, 5), -1, np.int32)
    confidence = random.random(300)
    ranked[:, 0] = np.where(random.random(300) < accuracy, labels, -1)
    figures = {
        "digest": "x", "fit_seconds": 1.0, "microseconds": 20.0, "peak_megabytes": 300, "label_seen": 0.9,
        "products_fitted_on": 1_000, "nodes": 50, "exact": {"value": accuracy},
        "measures": {"coverage": 0.5, "precision_assigned": None},
    }  # fmt: skip
    store.save(out, run, figures, PerProduct(labels, ranked, confidence, confidence > 0.5))


def document(directory: Path) -> Path:
    sections = "\n\n".join(f"<!-- quality:{name} -->\nold\n<!-- /quality:{name} -->" for name in SECTIONS)
    file = directory / "quality.md"
    file.write_text(f"before\n\n{sections}\n\nafter\n")
    return file


def test_tables_stand_between_their_markers_and_other_text_stays(tmp_path: Path) -> None:
    file = document(tmp_path)
    for method, accuracy in (("svm", 0.7), ("ours", 0.9), ("ours_without_linear_text", 0.8)):
        for seed in (0, 1):
            store_result(tmp_path / "out", Run("flipkart", "random", seed, method), accuracy)
    store_result(tmp_path / "out", Run("flipkart", "labels-10", 0, "svm"), 0.3)
    written = write_tables(tmp_path / "out", tmp_path)
    text = file.read_text()
    assert written == ["random", "differences", "catalogues", "curves", "decisions", "ablation"]
    assert text.startswith("before\n")
    assert text.endswith("after\n")
    assert "**flipkart**" in text
    assert "![Exact accuracy by the number of labelled products](img/learning-curves.svg)" in text
    assert "| flipkart | linear text |" in text
    assert "<!-- quality:harder -->\nold\n" in text
    assert (tmp_path / "img" / "learning-curves.svg").stat().st_size < 100_000


def test_tables_are_the_same_when_written_again(tmp_path: Path) -> None:
    file = document(tmp_path)
    store_result(tmp_path / "out", Run("flipkart", "random", 0, "svm"), 0.7)
    write_tables(tmp_path / "out", tmp_path)
    once = file.read_text()
    write_tables(tmp_path / "out", tmp_path)
    assert file.read_text() == once


def test_a_document_without_the_section_is_named() -> None:
    with pytest.raises(ValueError, match="quality:random"):
        replace_section("nothing here", "random", "body")


def test_a_figure_is_shown_in_percent_with_its_interval() -> None:
    assert percent(Estimate(0.8642, 0.851, 0.876)) == "86.4 [85.1, 87.6]"
    assert percent(Estimate(0.015, -0.001, 0.03), sign=True) == "+1.5 [-0.1, +3.0]"
    assert percent(Estimate(float("nan"), 0, 0)) == "-"


def test_a_table_without_rows_is_not_shown() -> None:
    assert table(("a", "b"), [("1", "2")]) == "| a | b |\n| --- | --- |\n| 1 | 2 |"
    assert table(("a",), []) == ""


def test_a_plan_runs_each_thing_once_and_only_what_was_asked_for() -> None:
    everything = plan(Choice(encoder=True))
    assert len(everything) == len(set(everything))
    few = plan(Choice(datasets=["shopify_merchants"], splits=["random"], seeds=[0], methods=["svm"]))
    assert few == [Run("shopify_merchants", "random", 0, "svm")]
    assert {run.dataset for run in plan(Choice(only=["flipkart/*"]))} == {"flipkart"}


def test_ablations_are_run_where_a_pattern_names_them() -> None:
    assert not any(run.method.startswith("ours_without_") for run in plan(Choice(only=["*"])))
    named = plan(Choice(only=["mwpd_gpc/random-0/ours_without_*"]))
    assert {(run.dataset, run.split, run.seed) for run in named} == {("mwpd_gpc", "random", 0)}
    assert {run.method for run in named} == set(methods()) - {OURS, CASCADE}


def test_without_labels_only_what_knows_the_categories_text_is_run() -> None:
    methods = {run.method for run in plan(Choice(encoder=True)) if run.split == "labels-0"}
    assert methods == {"zero_shot", "ours"}


def test_without_an_encoder_nothing_that_needs_one_is_run() -> None:
    methods = {run.method for run in plan(Choice())}
    assert {"svm", "logistic", "neighbours", "combination", "ours"} <= methods
    assert not methods & {"zero_shot", "logistic_encoder", "neighbours_encoder"}
