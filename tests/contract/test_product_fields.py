"""A field of the product event is known wherever products are documented, read, compared and shown."""

from __future__ import annotations

import csv
import io
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import pytest
from rich.console import Console

from schemas.events.decision import NeedsReview
from schemas.events.position import SourcePosition
from schemas.events.product import Affiliate, Product
from streams.cli import review_session
from workers.history import content_digest
from workers.product_files import ProductFile

README = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")


class Field(NamedTuple):
    """A value of a field, whether a decision may depend on it, and what a reviewer reads of it, if anything."""

    value: Any
    decides: bool
    shown: str | None


FIELDS = {
    "product_id": Field("sku-1", decides=True, shown="sku-1"),
    "title": Field("Desk lamp", decides=True, shown="Desk lamp"),
    "description": Field("For reading at night", decides=True, shown="For reading at night"),
    "brand": Field("Lumo", decides=True, shown="Lumo"),
    "stores": Field(("Bright", "Cosy"), decides=True, shown="Bright · Cosy"),
    "merchant_category": Field("Home > Lights", decides=True, shown="Home > Lights"),
    "tags": Field(("new in", "desk"), decides=True, shown="new in, desk"),
    "affiliate": Field(Affiliate(network="Net", category="Leuchten"), decides=True, shown="Leuchten"),
    "price": Field(39.9, decides=True, shown="39.90"),
    "currency": Field("EUR", decides=True, shown="EUR"),
    "image_url": Field("https://images.example/1", decides=False, shown="https://images.example/1"),
    "attributes": Field({"colour": "black"}, decides=True, shown="colour: black"),
    "updated_at": Field(datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC), decides=False, shown=None),
}
PRODUCT = Product(**{name: field.value for name, field in FIELDS.items()})
ANOTHER = Product(product_id="sku-2", title="Vase")


def test_these_tests_know_every_field() -> None:
    unknown = sorted(set(Product.__struct_fields__) - set(FIELDS))
    assert not unknown, f"add {unknown} to FIELDS in this file: the other tests then say what is left to do"


@pytest.mark.parametrize("name", FIELDS)
def test_whoever_publishes_products_reads_of_it(name: str) -> None:
    section = README.partition("### Publish events")[2].partition("\n### ")[0]
    assert f'"{name}"' in section or f"`{name}`" in section, f"name {name} in README.md, under `Publish events`"


@pytest.mark.parametrize("suffix", ["jsonl", "csv"])
def test_it_is_read_from_files_too(tmp_path: Path, suffix: str) -> None:
    file = tmp_path / f"products.{suffix}"
    file.write_bytes(msgspec.json.encode(PRODUCT) if suffix == "jsonl" else _as_csv(PRODUCT))
    (only,) = ProductFile(file)
    lost = [name for name in FIELDS if getattr(only.product, name) != getattr(PRODUCT, name)]
    assert not lost, f"read {lost} in workers/product_files/rows.py"


@pytest.mark.parametrize("name", FIELDS)
def test_a_change_of_it_is_decided_anew_where_a_decision_may_depend_on_it(name: str) -> None:
    changed = msgspec.structs.replace(PRODUCT, **{name: getattr(ANOTHER, name)})
    decided_anew = content_digest(changed, "m") != content_digest(PRODUCT, "m")
    assert decided_anew == FIELDS[name].decides, (
        f"content_digest in workers/history.py leaves out what no signal reads, else every change of {name} "
        "would be decided anew; FIELDS says whether one reads it"
    )


def test_reviewers_are_shown_it(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = io.StringIO()
    monkeypatch.setattr(review_session, "console", lambda **_: Console(file=screen, width=200))
    decision = NeedsReview(
        decision_id="d",
        product_id=PRODUCT.product_id,
        confidence=0.5,
        alternatives=(),
        evidence=(),
        model_version="m",
        taxonomy_version="t",
        source=SourcePosition("products", 0, 1),
        reason="low_confidence",
    )
    review_session._show(decision, PRODUCT, "1 of 1")
    missing = [name for name, field in FIELDS.items() if field.shown and field.shown not in screen.getvalue()]
    assert not missing, f"show {missing} in streams/cli/review_session.py"


def _as_csv(product: Product) -> bytes:
    values = msgspec.to_builtins(product)
    cells = [
        value if isinstance(value, str | float) else msgspec.json.encode(value).decode()
        for value in values.values()
    ]
    text = io.StringIO(newline="")
    csv.writer(text).writerows([list(values), cells])
    return text.getvalue().encode()
