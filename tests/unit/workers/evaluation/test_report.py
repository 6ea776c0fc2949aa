from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from markupsafe import escape

from schemas.errors import InvalidProducts
from schemas.events.product import Product
from tests.sample_model import sample_products
from workers.bundle.bundle import Bundle
from workers.evaluation.evaluate import Resampling, Source, evaluate, find_labels
from workers.evaluation.metrics import HEADLINES
from workers.evaluation.report import render_report, write_report
from workers.evaluation.report.words import headline, of_a_hundred, percent, remarks, segments
from workers.evaluation.slices import title_length
from workers.evaluation.training import Training
from workers.product_files import LabelledProduct

HOSTILE = "<script>alert('x')</script> & \"lamps\" $a_b$"


@pytest.fixture(scope="module")
def document(bundle: Bundle) -> dict[str, Any]:
    rows = sample_products(11, 300)
    rows.append(LabelledProduct(Product(product_id="odd", title="A lamp"), ("Moon", "Craters"), None, 301))
    return evaluate(bundle, find_labels(rows, bundle), Source("held-out.jsonl", 2), Resampling(100, 3))


def test_the_document_has_every_key_that_is_promised(document: dict[str, Any]) -> None:
    promised = {
        *HEADLINES,
        "format",
        "unlabelled",
        "unknown_category",
        "unknown_categories",
        "in_training",
        "recall",
        "per_level_f1",
        "intervals",
        "reliability",
        "risk_coverage",
        "slices",
        "confusions",
        "categories",
        "model",
        "measured",
    }
    assert set(document) == promised
    documented = (Path(__file__).parents[4] / "docs/evaluation.md").read_text(encoding="utf-8")
    assert {key for key in promised if f"`{key}`" not in documented} == set()


def test_rows_that_cannot_be_measured_are_counted_and_the_rest_add_up(document: dict[str, Any]) -> None:
    measured = document["measured"]
    assert document["unknown_categories"] == [{"category": "Moon > Craters", "count": 1}]
    assert document["unknown_category"] == 1
    assert measured["rows"] == document["n"] + document["unlabelled"] + 1 + 2 == 303


def test_every_slice_and_the_categories_split_all_products(document: dict[str, Any]) -> None:
    assert set(document["slices"]) == {
        "brand",
        "store",
        "title",
        "language",
        "category_size",
        "depth",
        "top_level",
    }
    for groups in document["slices"].values():
        assert sum(group["n"] for group in groups) == document["n"]
        pooled = sum(group["n"] * group["exact_accuracy"] for group in groups) / document["n"]
        assert pooled == pytest.approx(document["exact_accuracy"], abs=1e-5)
    assert sum(row["n"] for row in document["categories"]) == document["n"]
    errors = sum(row["errors"] for row in document["categories"])
    assert errors == pytest.approx((1 - document["exact_accuracy"]) * document["n"], abs=1e-2)


def test_a_title_without_spaces_is_not_short_for_that() -> None:
    titles = ["Desk lamp", "Desk lamp with a shade", "台灯", "护眼学生台灯", "新款男士透气运动鞋黑色42码"]
    assert list(map(title_length, titles)) == ["short", "medium", "short", "medium", "long"]


def test_a_brand_of_the_training_data_is_seen_and_another_new(bundle: Bundle) -> None:
    training = Training.of(bundle)
    brand = next(row.product.brand for row in sample_products(7, 50) if row.category_path and row.product.brand)
    assert training.brand(Product(product_id="1", title="lamp", brand=brand.upper())) == "seen"
    assert training.brand(Product(product_id="1", title="lamp", brand="no such brand")) == "new"
    assert training.brand(Product(product_id="1", title="lamp")) == "none"
    assert training.store(Product(product_id="1", title="lamp", stores=("no such shop",))) == "new"
    assert training.category_sizes is not None
    labelled = sum(1 for row in sample_products(7, 1_500) if row.category_path)
    assert int(training.category_sizes.sum()) == labelled


def test_one_labelled_product_is_enough_and_none_is_an_error_that_says_why(bundle: Bundle) -> None:
    one = [row for row in sample_products(12, 20) if row.category_path][:1]
    document = evaluate(bundle, find_labels(one, bundle), Source("one.jsonl"), Resampling(10))
    assert document["n"] == 1
    assert "Only 1 products" in render_report(document)
    with pytest.raises(InvalidProducts, match="no rows"):
        find_labels([], bundle)
    product = Product(product_id="1", title="lamp")
    with pytest.raises(InvalidProducts, match="none of the 1 products has a label"):
        find_labels([LabelledProduct(product, None, None, 1)], bundle)
    with pytest.raises(InvalidProducts, match=r"is a category of taxonomy.*Moon"):
        find_labels([LabelledProduct(product, ("Moon",), None, 1)], bundle)


class _Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


def tags(html: str) -> list[tuple[str, dict[str, str | None]]]:
    parser = _Tags()
    parser.feed(html)
    return parser.found


def test_the_report_says_what_a_manager_asks_and_how_it_was_measured(document: dict[str, Any]) -> None:
    html = " ".join(render_report(document).split())
    for text in (
        headline(document).split(",")[0],
        document["model"]["model_version"],
        "held-out.jsonl",
        f"bootstrap seed {document['measured']['bootstrap_seed']}",
        "1 of unknown categories (Moon &gt; Craters: 1)",
        "1 products have a category that the model&#39;s tree lacks",
    ):
        assert text in html, text
    assert sum(tag == "svg" for tag, _ in tags(html)) == 4
    top = document["confusions"][0]
    assert str(escape(top["true"])) in html


def test_who_measures_on_what_the_model_was_fitted_on_is_told(bundle: Bundle) -> None:
    """The figures would be too good, and nothing would say so."""
    fitted_on = evaluate(bundle, find_labels(sample_products(7, 200), bundle), Source("same.jsonl"))
    labelled = fitted_on["n"]
    assert fitted_on["in_training"] == {"exact": labelled, "near": 0}
    said = f"{labelled} of {labelled} products were in the fit of this model"
    assert any(remark.startswith(said) for remark in remarks(fitted_on))


def test_the_report_needs_no_network(document: dict[str, Any]) -> None:
    html = render_report(document)
    for tag, attributes in tags(html):
        assert tag not in ("link", "img", "iframe", "object", "embed", "base"), tag
        assert "src" not in attributes
        for name in ("href", "xlink:href"):
            assert (attributes.get(name) or "#").startswith("#")
    assert not re.search(r"url\((?!#|\"#|'#)|@import", html)


def test_markup_in_titles_paths_and_names_is_shown_as_text(document: dict[str, Any]) -> None:
    hostile = {
        **document,
        "confusions": [
            {
                **document["confusions"][0],
                "true": HOSTILE,
                "predicted": HOSTILE,
                "examples": [{"product_id": HOSTILE, "title": HOSTILE, "brand": HOSTILE}],
            }
        ],
        "categories": [{**document["categories"][0], "path": HOSTILE}],
        "unknown_categories": [{"category": HOSTILE, "count": 1}],
        "slices": {"top_level": [{**document["slices"]["depth"][0], "group": HOSTILE}]},
        "model": {**document["model"], "taxonomy_name": HOSTILE, "encoder": HOSTILE, "signals": [HOSTILE]},
        "measured": {**document["measured"], "file": HOSTILE},
        "recall": {**document["recall"], "signals": {HOSTILE: document["recall"]["union"]}},
    }
    html = render_report(hostile)
    assert "<script>alert" not in html
    assert html.count("&lt;script&gt;alert") >= 10
    assert sum(tag == "script" for tag, _ in tags(html)) == 1


def test_who_hears_the_report_is_told_what_plots_show_and_which_row_and_column_a_figure_is_in(
    document: dict[str, Any],
) -> None:
    found = tags(render_report(document))
    described = [attributes["aria-label"] or "" for tag, attributes in found if attributes.get("role") == "img"]
    top = document["reliability"][-1]
    for told in (
        f"{percent(top['confidence'])}: {percent(top['accuracy'])}",
        f"{percent(document['coverage'])} are assigned",
        f"level 1, which {document['n']} products reach: {percent(document['per_level_f1'][0]['f1'])}",
        f"all together {percent(document['recall']['union']['1'])}",
    ):
        assert any(told in text for text in described), told
    # A picture is one thing to a screen reader: it must not hold the caption too.
    assert not [tag for tag, attributes in found if tag == "figure" and "role" in attributes]
    scopes = [attributes.get("scope") for tag, attributes in found if tag == "th"]
    assert set(scopes) == {"col", "row"}
    groups = sum(len(groups) for groups in document["slices"].values())
    assert scopes.count("row") == groups + len(document["categories"])


def test_a_level_that_one_product_reaches_does_not_look_as_sure_as_the_others(document: dict[str, Any]) -> None:
    html = render_report({**document, "per_level_f1": [{**document["per_level_f1"][0], "n": 1}]})
    assert "level 1 (1)" in html


@pytest.mark.parametrize(
    ("review_share", "told"),
    [(0.0, "none is left"), (0.003, "fewer than one is left"), (0.007, "1 is left"), (0.02, "2 are left")],
)
def test_a_few_of_the_products_are_not_called_none(review_share: float, told: str) -> None:
    shares = {"coverage": 0.9 - review_share, "back_off_share": 0.1, "review_share": review_share}
    assert f"; {told} to a person." in headline({**shares, "precision_assigned": 0.9, "precision_backed_off": 0.9})


def test_a_report_of_one_wrong_product_of_an_unknown_model_is_drawn_too(bundle: Bundle) -> None:
    rows = [row for row in sample_products(13, 40) if row.category_path][:1]
    document = evaluate(bundle, find_labels(rows, bundle), Source("x"), Resampling(5))
    bare = {**document, "recall": None, "slices": dict.fromkeys(document["slices"]), "precision_assigned": None}
    assert sum(tag == "svg" for tag, _ in tags(render_report(bare))) == 3


def test_a_report_is_written_whole_or_not_at_all(document: dict[str, Any], tmp_path: Path) -> None:
    write_report(document, tmp_path / "report.html")
    assert [path.name for path in tmp_path.iterdir()] == ["report.html"]
    assert (tmp_path / "report.html").read_text(encoding="utf-8") == render_report(document)


def test_the_parts_of_the_bar_are_all_products_and_of_a_hundred_sums_to_it(document: dict[str, Any]) -> None:
    assert sum(part.share for part in segments(document)) == pytest.approx(1.0, abs=1e-4)
    assert of_a_hundred([1 / 3, 1 / 3, 1 / 3]) == [34, 33, 33]
    assert of_a_hundred([0.996, 0.004, 0.0]) == [100, 0, 0]


def test_the_figures_do_not_depend_on_the_order_of_the_file(bundle: Bundle) -> None:
    rows = [row for row in sample_products(14, 120) if row.category_path]
    mixed = [rows[place] for place in np.random.default_rng(0).permutation(len(rows))]
    first, second = (
        evaluate(bundle, find_labels(some, bundle), Source("x"), Resampling(5)) for some in (rows, mixed)
    )
    assert {key: first[key] for key in HEADLINES} == {key: second[key] for key in HEADLINES}
    assert first["categories"] == second["categories"]
