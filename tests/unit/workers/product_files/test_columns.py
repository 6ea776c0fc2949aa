"""Columns are read under the names that the file gives them, and one that is not is told of."""

from __future__ import annotations

import csv
from pathlib import Path

import orjson
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from schemas.errors import InvalidProducts
from workers.product_files import ColumnMap, ProductFile


def written(directory: Path, row: dict[str, str], suffix: str) -> Path:
    """Write a file of one row."""
    path = directory / f"rows.{suffix}"
    if suffix == "csv":
        with path.open("w", encoding="utf-8", newline="") as file:
            csv.writer(file).writerows([[*row], [*row.values()]])
    elif suffix == "jsonl":
        path.write_bytes(orjson.dumps(row) + b"\n")
    else:
        pq.write_table(pa.Table.from_pylist([row]), path)
    return path


def test_columns_of_other_names_are_mapped(tmp_path: Path) -> None:
    path = written(tmp_path, {"SKU": "1", "Product Name": "Cup"}, "csv")
    (only,) = ProductFile(path, columns=ColumnMap.parse(["product_id=SKU", "title=Product Name"]))
    assert only.product.title == "Cup"


@pytest.mark.parametrize("suffix", ["csv", "jsonl"])
def test_a_mapped_column_that_is_nowhere_in_the_file_is_an_error(tmp_path: Path, suffix: str) -> None:
    path = written(tmp_path, {"product_id": "1", "title": "Cup"}, suffix)
    with pytest.raises(InvalidProducts, match=r"no column 'Make' for brand; it has 'product_id', 'title'"):
        list(ProductFile(path, columns=ColumnMap({"brand": "Make"})))


@pytest.mark.parametrize("suffix", ["csv", "jsonl", "parquet"])
def test_a_column_that_is_mapped_to_nothing_is_not_read(tmp_path: Path, suffix: str) -> None:
    row = {"": "1st", "product_id": "1", "title": "Cup", "category_path": "Cups", "category_id": "7"}
    (only,) = ProductFile(written(tmp_path, row, suffix), columns=ColumnMap.parse(["category_id="]))
    assert (only.category_path, only.category_id) == (("Cups",), None)


@pytest.mark.parametrize("suffix", ["csv", "jsonl", "parquet"])
def test_a_column_in_other_letters_than_the_one_that_is_read_is_told_of(tmp_path: Path, suffix: str) -> None:
    row = {"product_id": "1", "title": "Cup", "Title": "Mug", "Brand": "Lumo", "PRICE": "2", "Weight": "3"}
    file = ProductFile(written(tmp_path, row, suffix))
    assert [item.product.brand for item in file] == [None]
    assert sorted(file.overlooked) == [("Brand", "brand"), ("PRICE", "price")]
    mapped = ProductFile(tmp_path / f"rows.{suffix}", columns=ColumnMap.parse(["brand=Brand", "price="]))
    assert [item.product.brand for item in mapped] == ["Lumo"]
    assert mapped.overlooked == []


def test_a_required_column_in_other_letters_is_the_one_to_name(tmp_path: Path) -> None:
    path = written(tmp_path, {"product_id": "1", "Title": "Cup"}, "csv")
    with pytest.raises(InvalidProducts, match=r"map the right one with --column title=Title$"):
        list(ProductFile(path))


@pytest.mark.parametrize("option", ["title", "title=", "colour=Farbe"])
def test_a_column_mapping_of_no_known_form_is_refused(option: str) -> None:
    with pytest.raises(InvalidProducts, match=option.partition("=")[0]):
        ColumnMap.parse([option])
