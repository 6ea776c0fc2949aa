from __future__ import annotations

import csv
import io
import tempfile
from pathlib import Path
from typing import Any

import orjson
from hypothesis import given
from hypothesis import strategies as st

from schemas.errors import InvalidProducts
from schemas.events.codec import encode
from schemas.events.product import decode_product
from workers.product_files import COLUMNS, ProductFile
from workers.product_files.file import Format

SCALARS = st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats() | st.text(max_size=20)
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
)
ROWS = st.fixed_dictionaries(
    {"product_id": st.text(min_size=1, max_size=5) | SCALARS, "title": st.text(min_size=1, max_size=9) | SCALARS},
    optional=dict.fromkeys(COLUMNS[2:], VALUES),
)


@given(ROWS)
def test_a_row_of_arbitrary_values_is_a_valid_product_or_counted_as_bad(row: dict[str, Any]) -> None:
    try:
        line = orjson.dumps(row)
    except orjson.JSONEncodeError:  # a lone surrogate, which no JSON file can hold either
        return
    file = ProductFile(io.BytesIO(line), on_error="skip")
    products = [item.product for item in file]
    assert len(products) + file.skipped.total() == 1
    for product in products:
        assert decode_product(encode(product), product.product_id.encode()) == product


@given(st.lists(st.binary(max_size=60), max_size=8), st.sampled_from(["jsonl", "csv", "tsv", "parquet"]))
def test_arbitrary_bytes_are_read_or_refused_by_name(lines: list[bytes], form: Format) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"rows.{form}"
        path.write_bytes(b"\n".join(lines))
        refusal = str(path)
        try:
            list(ProductFile(path, format=form, on_error="skip"))
        except InvalidProducts as error:
            refusal = str(error)
        assert str(path) in refusal


@given(st.lists(st.lists(st.text(max_size=10), min_size=2, max_size=4), max_size=6), st.binary(max_size=30))
def test_every_record_of_arbitrary_csv_is_a_product_or_counted_as_bad(
    records: list[list[str]], tail: bytes
) -> None:
    text = io.StringIO()
    csv.writer(text).writerows([["product_id", "title"], *records])
    body = text.getvalue().encode(errors="replace")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "rows.csv"
        path.write_bytes(body + tail)
        file = ProductFile(path, on_error="skip")
        products = list(file)
    assert len(products) + file.skipped.total() == file.rows
