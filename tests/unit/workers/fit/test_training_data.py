from __future__ import annotations

import io
import json
from collections.abc import Mapping

from hypothesis import given
from hypothesis import strategies as st

from schemas.events.product import Product
from schemas.events.review import ReviewDecided
from schemas.taxonomy import Taxonomy
from tests.decisions import verdict
from workers.fit.labels import find_label
from workers.fit.training_data import TrainingDataReport, training_rows
from workers.product_files import LabelledProduct, ProductFile

TREE = Taxonomy.from_paths("t", "1", ["Home > Lamps", "Home > Vases", "Sport > Balls"])
LAMPS, VASES = (TREE.ids[TREE.index_of_path(path)] for path in ("Home > Lamps", "Home > Vases"))


def row(product_id: str, path: tuple[str, ...] | None = None, category_id: str | None = None) -> LabelledProduct:
    return LabelledProduct(Product(product_id=product_id, title=f"Old {product_id}"), path, category_id, 1)


def verdicts_of(said: Mapping[str, str | None], titles: Mapping[str, str]) -> dict[str, ReviewDecided]:
    return {
        name: verdict(category, product_id=name, title=titles.get(name), brand="Lumo")
        for name, category in said.items()
    }


def made(
    rows: list[LabelledProduct],
    said: Mapping[str, str | None],
    published: tuple[str, ...] = (),
    titles: Mapping[str, str] | None = None,
) -> tuple[dict[str, tuple[str, str | None]], TrainingDataReport]:
    """Return title and category id of each product of the training data as a fit reads it, and the report."""
    report = TrainingDataReport()
    products = {name: Product(product_id=name, title=f"New {name}", tags=("a, b",)) for name in published}
    lines = b"".join(training_rows(rows, verdicts_of(said, titles or {}), products, TREE, report))
    read = list(ProductFile(io.BytesIO(lines))) if lines else []
    nodes = [find_label(item, TREE) for item in read]
    found = {
        item.product.product_id: (item.product.title, None if node is None else TREE.ids[node])
        for item, node in zip(read, nodes, strict=True)
    }
    assert len(found) == len(read) == report.written
    return found, report


def test_a_verdict_is_the_label_of_its_product_as_it_was_last_published() -> None:
    rows = [row("kept", ("Home", "Lamps")), row("wrong", ("Home", "Lamps")), row("right", None, VASES)]
    found, report = made(rows, {"wrong": VASES, "right": VASES, "new": LAMPS}, published=("wrong", "new"))
    assert found == {
        "kept": ("Old kept", LAMPS),
        "right": ("Old right", VASES),
        "wrong": ("New wrong", VASES),
        "new": ("New new", LAMPS),
    }
    assert (report.kept, report.confirmed, report.corrected, report.added) == (1, 1, 1, 1)


def test_a_verdict_is_the_label_of_the_title_that_was_judged() -> None:
    titles = {"same": "NEW, same", "old": "Old old", "retitled": "Cup", "expired": "Mug"}
    said = dict.fromkeys(titles, VASES)
    rows = [row("old", ("Home", "Lamps")), row("retitled", ("Home", "Lamps"))]
    found, report = made(rows, said, ("same", "old", "retitled"), titles)
    assert {name: title for name, (title, _) in found.items()} == {
        "same": "New same",
        "old": "Old old",
        "retitled": "Cup",
        "expired": "Mug",
    }
    assert (report.corrected, report.added, report.without_product) == (2, 2, 0)


def test_of_several_rows_of_a_product_that_with_the_judged_title_is_written() -> None:
    judged = Product(product_id="a", title="Cup", description="of china")
    rows = [LabelledProduct(judged, ("Home", "Lamps"), None, 1), row("a", ("Home", "Lamps"))]
    report = TrainingDataReport()
    (line,) = training_rows(rows, verdicts_of({"a": VASES}, {"a": "cup"}), {}, TREE, report)
    assert json.loads(line)["description"] == "of china"
    assert (report.corrected, report.repeated) == (1, 1)


def test_what_belongs_nowhere_is_not_learned_from() -> None:
    rows = [row("a", ("Home", "Lamps")), row("b", ("Home", "Vases")), row("a")]
    found, report = made(rows, {"a": None, "c": None}, ("c",))
    assert found == {"b": ("Old b", VASES)}
    assert (report.kept, report.withdrawn, report.nowhere) == (1, 2, 2)


def test_a_product_that_is_listed_twice_has_one_label_after_its_verdict() -> None:
    found, report = made([row("a", ("Home", "Lamps")), row("a", ("Sport", "Balls"))], {"a": VASES})
    assert found == {"a": ("Old a", VASES)}
    assert (report.corrected, report.repeated) == (1, 1)


def test_a_product_without_a_label_is_given_one() -> None:
    found, report = made([row("a")], {"a": LAMPS})
    assert (found, report.added) == ({"a": ("Old a", LAMPS)}, 1)


def test_a_verdict_on_a_product_of_which_nothing_is_known_is_counted() -> None:
    found, report = made([row("a", ("Home", "Lamps"))], {"expired": VASES})
    assert found == {"a": ("Old a", LAMPS)}
    assert report.counts()["without_product"] == 1


@given(
    st.text('[]",\\12ab |', max_size=12)
    | st.lists(st.text(max_size=3) | st.integers(), max_size=3).map(json.dumps)
    | st.just(json.dumps(["x" * 600]))
)
def test_a_fit_reads_tags_as_the_stream_does(tags: str) -> None:
    product = Product(product_id="a", title="Lamp", tags=tags)
    lines = training_rows([], verdicts_of({"a": LAMPS}, {}), {"a": product}, TREE, TrainingDataReport())
    (item,) = ProductFile(io.BytesIO(b"".join(lines)))
    assert item.product.tag_list() == product.tag_list()


NAMES = st.sampled_from("abcdef")


@given(
    st.lists(st.tuples(NAMES, st.sampled_from([None, LAMPS, VASES]))),
    st.dictionaries(NAMES, st.sampled_from([None, LAMPS, VASES])),
    st.sets(NAMES),
)
def test_every_row_and_every_verdict_has_one_fate(
    labels: list[tuple[str, str | None]], verdicts: dict[str, str | None], published: set[str]
) -> None:
    rows = [row(name, None, label) for name, label in labels]
    report = TrainingDataReport()
    products = {name: Product(product_id=name, title="New") for name in published}
    lines = list(training_rows(rows, verdicts_of(verdicts, {}), products, TREE, report))
    assert len(lines) == report.written
    judged = {name for name, _ in labels} & {name for name, category in verdicts.items() if category}
    assert report.kept + report.withdrawn + report.repeated + len(judged) == len(rows)
    of_verdicts = report.confirmed + report.corrected + report.added + report.nowhere + report.without_product
    assert of_verdicts == len(verdicts)
    read = [item.product.product_id for item in ProductFile(io.BytesIO(b"".join(lines)))] if lines else []
    kept = [name for name, _ in labels if name not in verdicts]
    known = judged | {name for name in published if verdicts.get(name)}
    assert sorted(read) == sorted([*kept, *known])
