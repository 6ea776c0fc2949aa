"""Fitting: labels found in the tree, folds that do not leak, bundles that do not overwrite other files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.errors import InvalidBundle, InvalidProducts
from schemas.events.batch import Outcome
from schemas.events.product import Product
from schemas.taxonomy.node import CategoryNode
from schemas.taxonomy.tree import Taxonomy
from tests.sample_model import sample_products
from workers.bundle.bundle import load_bundle
from workers.encoders.static import StaticEncoder
from workers.fit import cross_fit
from workers.fit.cross_fit import Encoded
from workers.fit.fit import FitOptions, FitReport, encode_labelled, fit
from workers.fit.fit_ranking import RankingOptions
from workers.fit.folds import assign_folds
from workers.fit.label_tree import taxonomy_of_labels
from workers.fit.labels import label_products
from workers.fit.namesakes import namesakes
from workers.product_files import LabelledProduct
from workers.progress import silent
from workers.ranking.ranker import RankerOptions
from workers.statistics import NoStatistics

TREE = Taxonomy.from_paths("t", "1", ["A > B", "A > C"])


def row(number: int, path: tuple[str, ...] | None, category_id: str | None = None) -> LabelledProduct:
    return LabelledProduct(Product(product_id=f"p{number}", title=f"thing {number}"), path, category_id, number)


def test_labels_are_found_by_path_or_id_and_the_rest_is_counted() -> None:
    rows = [row(n, ("A", "B")) for n in range(15)] + [row(n, None, TREE.ids[2]) for n in range(15, 25)]
    found = label_products([*rows, row(99, None)], TREE)
    assert len(found.products) == 25
    assert found.unlabelled == 1
    assert found.labels.tolist() == [1] * 15 + [2] * 10


def test_an_unknown_category_is_named_with_the_remedy() -> None:
    rows = [row(n, ("A", "B")) for n in range(30)] + [row(30, ("A", "Nowhere"))]
    with pytest.raises(InvalidProducts, match=r"A > Nowhere \(1\).*--skip-unknown-categories"):
        label_products(rows, TREE)
    assert label_products(rows, TREE, skip_unknown=True).unknown == 1


HOME = Taxonomy.from_paths(
    "t",
    "1",
    ["Home > Lamps", "Home > Vases", "Sport > Bicycles", "Sport > Footballs", "Food > Cheese", "Food > Bread"],
)


@pytest.mark.parametrize("labels", [0, 1, 6, 12])
def test_few_labels_or_none_do_not_hurt_what_the_words_of_the_tree_tell(labels: int, tmp_path: Path) -> None:
    titles = {"Home > Lamps": "desk lamp", "Sport > Bicycles": "mountain bike", "Food > Cheese": "cheddar"}
    rows = [
        LabelledProduct(
            Product(product_id=str(number), title=f"{list(titles.values())[number % 3]} {number}"),
            tuple(list(titles)[number % 3].split(" > ")),
            None,
            number,
        )
        for number in range(labels)
    ]
    report = fit(label_products(rows, HOME), HOME, tmp_path / "bundle", FitOptions(folds=2))
    assert report.metrics["products"] == labels
    bundle = load_bundle(tmp_path / "bundle")
    asked = ["flower vase", "football", "wheat bread", "bicycle for kids", "ceiling lamps"]
    products = [Product(product_id=str(number), title=title) for number, title in enumerate(asked)]
    verdicts = bundle.ranking.decide(bundle.recall.candidates(products, NoStatistics()))
    likeliest = [HOME.path_text(verdict.alternatives[0][0]) for verdict in verdicts]
    assert likeliest == ["Home > Vases", "Sport > Footballs", "Food > Bread", "Sport > Bicycles", "Home > Lamps"]
    # Nothing was held out, or too little, to know how often this is right.
    assert {verdict.outcome for verdict in verdicts} == {Outcome.NEEDS_REVIEW}


def test_a_created_parent_that_a_label_names_is_a_category(tmp_path: Path) -> None:
    fit(label_products([row(1, ("Sport",))], HOME), HOME, tmp_path / "bundle")
    bundle = load_bundle(tmp_path / "bundle")
    found = bundle.recall.candidates([Product(product_id="1", title="sport")], NoStatistics()).categories
    assert HOME.index_of_path("Sport") in found
    assert HOME.index_of_path("Home") not in found
    assert bundle.taxonomy.version == HOME.version


@given(st.sets(st.sampled_from(["A", "A > B", "A > B > C", "A > D", "E > F"]), min_size=1))
def test_namesakes_are_of_all_listed_nodes_and_of_no_other(paths: set[str]) -> None:
    tree = Taxonomy.from_paths("t", "1", paths)
    products, labels = namesakes(tree, seed=1)
    assert {tree.path_text(label) for label in labels.tolist()} == paths
    assert all(p.title.endswith(tree.names[label]) for p, label in zip(products, labels, strict=True))


def test_a_ranker_of_few_trees_needs_no_folds_to_be_fitted(tmp_path: Path) -> None:
    rows = [row(number, ("Home", "Lamps")) for number in range(3)]
    options = FitOptions(ranking=RankingOptions(ranker=RankerOptions(trees=20)))
    fit(label_products(rows, HOME), HOME, tmp_path / "bundle", options)
    assert load_bundle(tmp_path / "bundle").ranking


def test_products_of_one_title_share_a_fold() -> None:
    titles = ["Red Lamp", "red  lamp!", "Blue Lamp", "RED LAMP"] * 25
    products = [Product(product_id=str(n), title=title) for n, title in enumerate(titles)]
    folds = assign_folds(products, 2, seed=0)
    assert len(set(folds[[0, 1, 3]])) == 1
    assert set(folds) == {0, 1}


class Steps:
    """Remembers how far each step came."""

    def __init__(self) -> None:
        self.ends: dict[str, tuple[int, int]] = {}

    def __call__(self, step: str, done: int, total: int) -> None:
        self.ends[step] = (done, total)


@pytest.fixture(scope="module")
def twice(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[FitReport, Steps]]:
    """The same 120 rows of the sample catalogue, fitted twice with one seed."""
    rows = sample_products(7, 120)
    tree = taxonomy_of_labels(rows)
    directory = tmp_path_factory.mktemp("twice")
    found = []
    for name in ("one", "two"):
        steps = Steps()
        found.append((fit(label_products(rows, tree), tree, directory / name, FitOptions(folds=2), steps), steps))
    return found


def test_the_same_seed_gives_the_same_model(twice: list[tuple[FitReport, Steps]]) -> None:
    (first, _), (second, _) = twice
    assert first.manifest.files == second.manifest.files


def test_progress_counts_every_step_to_its_end(twice: list[tuple[FitReport, Steps]]) -> None:
    (_, steps), _ = twice
    assert len(steps.ends) >= 4
    assert all(done == total for done, total in steps.ends.values())


def test_labels_in_the_bundle_metrics_add_up(twice: list[tuple[FitReport, Steps]]) -> None:
    metrics = twice[0][0].metrics
    assert metrics["products"] + metrics["products_without_label"] == 120
    assert 0.5 < metrics["out_of_fold"]["recall_of_union"] <= 1
    recall = metrics["out_of_fold"]["recall_of_signal"]
    assert 0 < recall["store_cooccurrence"] < 1
    assert recall["price"] is None, "it names no candidate, which is not that it names none right"


def test_an_id_that_the_tree_lacks_leaves_the_word_to_the_path() -> None:
    """It may be the shop's own."""
    tree = Taxonomy.from_paths("tree", "1", [("Home", "Lamps"), ("Home", "Cups")])
    lamps, cups = tree.ids[1], tree.ids[2]
    rows = [row(1, ("Home", "Lamps"), "c-17"), row(2, ("Moon", "Lamps"), cups), row(3, None, lamps)]
    assert [tree.ids[label] for label in label_products(rows, tree).labels] == [lamps, cups, lamps]
    with pytest.raises(InvalidProducts, match=r"Home > Moon \(1\)"):
        label_products([row(4, ("Home", "Moon"), "c-17")], tree)


def test_a_whole_number_written_as_a_float_is_the_id_that_it_is_where_the_tree_lacks_it() -> None:
    nodes = [CategoryNode(name, (f"Category {name}",)) for name in ("2", "3", "3.0", "v1")]
    tree = Taxonomy("tree", "1", nodes)
    rows = [row(number, None, text) for number, text in enumerate(["2", "2.0", "3.0", "v1.0", "2.00"])]
    found = label_products(rows, tree, skip_unknown=True)
    assert [tree.ids[label] for label in found.labels] == ["2", "2", "3.0"]
    assert dict(found.unknown_labels) == {"v1.0": 1, "2.00": 1}


def test_an_id_and_a_path_of_different_categories_are_refused_with_examples_and_a_remedy() -> None:
    nodes = [CategoryNode("1", ("Animals",)), CategoryNode("2", ("Home",)), CategoryNode("3", ("Home", "Lamps"))]
    tree = Taxonomy("tree", "1", nodes, aliases={"third": "3"})
    agreeing = [row(1, ("home", "LAMPS"), "3"), row(2, ("Home", "Lamps"), "third"), row(3, ("Home",), None)]
    assert label_products(agreeing, tree).labels.tolist() == [2, 2, 1]
    rows = [*agreeing, *(row(number, ("Home", "Lamps"), "1") for number in range(4, 9))]
    with pytest.raises(InvalidProducts) as raised:
        label_products(rows, tree, skip_unknown=True)
    said = str(raised.value)
    assert said.startswith("5 products have a category_id and a category_path that mean different categories")
    assert "'p4' with 1 (Animals) and Home > Lamps; 'p5' with" in said
    assert ("'p6'" in said, "'p7'" in said) == (True, False)
    assert "--column category_id=" in said


@pytest.mark.parametrize(
    ("out", "problem"), [(".", "holds other files"), ("thesis.txt/bundle", "no bundle can be written to")]
)
def test_where_no_bundle_can_be_written_nothing_is_fitted_and_nothing_overwritten(
    tmp_path: Path, out: str, problem: str
) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    rows = [r for r in sample_products(7, 60) if r.category_path]
    tree = taxonomy_of_labels(rows)
    steps: list[str] = []
    with pytest.raises(InvalidBundle, match=problem):
        fit(
            label_products(rows, tree),
            tree,
            tmp_path / out,
            FitOptions(folds=2),
            lambda step, *_: steps.append(step),
        )
    assert not steps
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]
    assert (tmp_path / "thesis.txt").read_text() == "years of work"


def test_products_are_asked_about_in_parts_without_a_difference(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [r for r in sample_products(7, 120) if r.category_path]
    tree = taxonomy_of_labels(rows)
    training = Encoded(encode_labelled(label_products(rows, tree), tree, StaticEncoder.pretrained(), silent))
    known, held_out = np.arange(0, 60), np.arange(60, len(rows))
    whole = cross_fit._ask(training, known, held_out)
    monkeypatch.setattr(cross_fit, "_ASKED_AT_ONCE", 7)
    in_parts = cross_fit._ask(training, known, held_out)
    assert whole.leads.tobytes() == in_parts.leads.tobytes()
    for name in ("offsets", "categories", "scores", "proposed", "context"):
        assert getattr(whole.candidates, name).tobytes() == getattr(in_parts.candidates, name).tobytes(), name
