from __future__ import annotations

import io
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.events.product import Product
from schemas.taxonomy import Taxonomy
from workers.fit.labels import find_label
from workers.fit.training_data import TrainingDataReport, training_rows
from workers.product_files import LabelledProduct, ProductFile

pytestmark = pytest.mark.unit

TREE = Taxonomy.from_paths("t", "1", ["Home > Lamps", "Home > Vases", "Sport > Balls"])
LAMPS, VASES = (TREE.ids[TREE.index_of_path(path)] for path in ("Home > Lamps", "Home > Vases"))


def row(product_id: str, path: tuple[str, ...] | None = None, category_id: str | None = None) -> LabelledProduct:
    return LabelledProduct(Product(product_id=product_id, title=f"Old {product_id}"), path, category_id, 1)


def made(
    rows: list[LabelledProduct], verdicts: Mapping[str, str | None], published: tuple[str, ...] = ()
) -> tuple[dict[str, tuple[str, str | None]], TrainingDataReport]:
    """Return title and category id of each product of the training data as a fit reads it, and the report."""
    report = TrainingDataReport()
    products = {name: Product(product_id=name, title=f"New {name}", tags=("a, b",)) for name in published}
    lines = b"".join(training_rows(rows, verdicts, products, TREE, report))
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


def test_what_belongs_nowhere_is_not_learned_from() -> None:
    found, report = made(
        [row("a", ("Home", "Lamps")), row("b", ("Home", "Vases"))], {"a": None, "c": None}, ("c",)
    )
    assert found == {"b": ("Old b", VASES)}
    assert (report.kept, report.withdrawn) == (1, 1)


def test_a_product_without_a_label_is_given_one() -> None:
    found, report = made([row("a")], {"a": LAMPS})
    assert (found, report.added) == ({"a": ("Old a", LAMPS)}, 1)


def test_verdicts_that_cannot_be_used_change_nothing_and_are_counted() -> None:
    found, report = made([row("a", ("Home", "Lamps"))], {"a": "gone", "b": "gone", "expired": VASES})
    assert found == {"a": ("Old a", LAMPS)}
    assert report.unknown == {"gone": 2}
    assert report.counts()["unknown_category"] == 2
    assert report.without_product == 1


NAMES = st.sampled_from("abcdef")


@given(
    st.dictionaries(NAMES, st.sampled_from([None, LAMPS, VASES])),
    st.dictionaries(NAMES, st.sampled_from([None, LAMPS, VASES, "gone"])),
    st.sets(NAMES),
)
def test_every_verdict_has_one_fate_and_no_product_is_lost(
    labels: dict[str, str | None], verdicts: dict[str, str | None], published: set[str]
) -> None:
    rows = [row(name, None, label) for name, label in labels.items()]
    found, report = made(rows, verdicts, tuple(published))
    used = {name: category for name, category in verdicts.items() if category != "gone"}
    nowhere = {name for name, category in used.items() if category is None}
    unheard = {name for name in used if name not in nowhere and name not in labels and name not in published}
    assert set(found) == (set(labels) | set(used)) - nowhere - unheard
    assert all(found[name][1] == used.get(name, labels.get(name)) for name in found)
    fates = report.confirmed + report.corrected + report.added + report.without_product + report.unknown.total()
    assert fates + len(nowhere) == len(verdicts)
