from __future__ import annotations

import csv
import gzip
import io
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from schemas.errors import InvalidProducts
from workers.product_files import LabelledProduct, ProductFile
from workers.product_files.text_rows import MAX_LINE_BYTES

LAMP = {
    "product_id": "p1",
    "title": "Desk lamp",
    "brand": "Lumo",
    "stores": ["Bright", "Home"],
    "price": 12.5,
    "attributes": {"colour": "red"},
    "category_path": ["Home", "Lamps"],
}


def write_jsonl(path: Path, *rows: Any) -> Path:
    path.write_bytes(b"".join(orjson.dumps(row) + b"\n" for row in rows))
    return path


def write_csv(path: Path, *rows: list[Any], delimiter: str = ",") -> Path:
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, delimiter=delimiter).writerows(rows)
    return path


def read(path: Path, **options: Any) -> list[LabelledProduct]:
    return list(ProductFile(path, **options))


def test_the_same_products_come_from_every_format(tmp_path: Path) -> None:
    rows = [{**LAMP, "product_id": f"p{number}"} for number in range(3)]
    header = [*LAMP]
    records = [
        [row["product_id"], "Desk lamp", "Lumo", "Bright|Home", "12.5", '{"colour":"red"}', "Home > Lamps"]
        for row in rows
    ]
    table = pa.Table.from_pylist(
        rows,
        schema=pa.schema(
            {
                "product_id": pa.string(),
                "title": pa.string(),
                "brand": pa.string(),
                "stores": pa.list_(pa.string()),
                "price": pa.float64(),
                "attributes": pa.map_(pa.string(), pa.string()),
                "category_path": pa.list_(pa.string()),
            }
        ),
    )
    pq.write_table(table, tmp_path / "rows.parquet")
    zipped = tmp_path / "rows.jsonl.gz"
    zipped.write_bytes(gzip.compress(write_jsonl(tmp_path / "rows.jsonl", *rows).read_bytes()))
    expected = [(item.product, item.category_path) for item in read(tmp_path / "rows.jsonl")]
    assert expected[0][0].stores == ("Bright", "Home")
    assert expected[0][1] == ("Home", "Lamps")
    for path in (
        zipped,
        write_csv(tmp_path / "rows.csv", header, *records),
        write_csv(tmp_path / "semicolon.csv", header, *records, delimiter=";"),
        write_csv(tmp_path / "rows.tsv", header, *records, delimiter="\t"),
        tmp_path / "rows.parquet",
    ):
        assert [(item.product, item.category_path) for item in read(path)] == expected, path


def test_ids_in_a_column_of_whole_numbers_with_gaps_are_whole(tmp_path: Path) -> None:
    """Parquet from pandas holds floats where a number is missing."""
    path = write_jsonl(tmp_path / "rows.jsonl", {"product_id": 7.0, "title": "Cup", "category_id": 22.0})
    (only,) = read(path)
    assert (only.product.product_id, only.category_id) == ("7", "22")


def test_both_shapes_of_stores_affiliates_and_labels_are_read(tmp_path: Path) -> None:
    path = write_jsonl(
        tmp_path / "rows.jsonl",
        {"product_id": 7, "title": "Cup", "store": "One", "category_path": "Home > Cups", "category_id": 12},
        {"product_id": "b", "title": "Cup", "affiliate_category": "Kitchen", "category_path": None},
        {"product_id": "c", "title": "Cup", "affiliate": {"network": "awin"}, "stores": [], "store": "Two"},
    )
    first, second, third = read(path)
    assert (first.product.product_id, first.product.stores) == ("7", ("One",))
    assert (first.category_path, first.category_id, first.line) == (("Home", "Cups"), "12", 1)
    assert second.product.affiliate is not None
    assert (second.product.affiliate.category, second.category_path) == ("Kitchen", None)
    assert third.product.affiliate is not None
    assert (third.product.affiliate.network, third.product.stores) == ("awin", ("Two",))


def test_the_store_of_number_nought_is_a_store(tmp_path: Path) -> None:
    path = write_jsonl(
        tmp_path / "rows.jsonl", *({**LAMP, "stores": None, "store": store} for store in (0, "", None))
    )
    assert [item.product.stores for item in read(path)] == [("0",), (), ()]


@pytest.mark.parametrize(
    ("tags", "expected"),
    [
        (["Sale", "Table lamps"], ("Sale", "Table lamps")),
        ("Sale, Table lamps", ("Sale", "Table lamps")),
        ("Sale|Lamps, small|", ("Sale", "Lamps, small")),
        ('["Sale"]', ("Sale",)),
        ("[]", ()),
        ("[NEW] lamp, desk", ("[NEW] lamp", "desk")),
        ("[sale], [new]", ("[sale]", "[new]")),
        ("[2026]", ("[2026]",)),
        ("[sale", ("[sale",)),
        ("Sale", ("Sale",)),
        ("", ()),
        (None, ()),
    ],
)
def test_tags_are_a_list_or_parted_by_commas_or_bars(
    tmp_path: Path, tags: object, expected: tuple[str, ...]
) -> None:
    path = write_jsonl(tmp_path / "rows.jsonl", {"product_id": "1", "title": "Cup", "tags": tags})
    assert read(path)[0].product.tag_list() == expected


@pytest.mark.parametrize(
    ("text", "stores", "path"),
    [
        ('["A", "B"]', ("A", "B"), ("A", "B")),
        ("[]", (), ()),
        ("[shop", ("[shop",), ("[shop",)),
        ("[Sale] Lamps", ("[Sale] Lamps",), ("[Sale] Lamps",)),
        ("[Sale] > Lamps", ("[Sale] > Lamps",), ("[Sale]", "Lamps")),
        ("[A]|[B]", ("[A]", "[B]"), ("[A]", "[B]")),
    ],
)
def test_text_in_brackets_is_a_list_where_it_is_one_in_json(
    tmp_path: Path, text: str, stores: tuple[str, ...], path: tuple[str, ...]
) -> None:
    row = {"product_id": "1", "title": "Cup", "stores": text, "category_path": text}
    pq.write_table(pa.Table.from_pylist([row]), tmp_path / "rows.parquet")
    for file in (
        write_jsonl(tmp_path / "rows.jsonl", row),
        write_csv(tmp_path / "rows.csv", [*row], [*row.values()]),
        tmp_path / "rows.parquet",
    ):
        (item,) = read(file)
        assert (item.product.stores, item.category_path) == (stores, path)


@pytest.mark.parametrize(
    ("separator", "text", "path"),
    [
        (None, "Home / Lamps", ("Home / Lamps",)),
        ("/", "Home / Lamps/Desk", ("Home", "Lamps", "Desk")),
        (" / ", "Home / TV/Audio", ("Home", "TV/Audio")),
        ("::", "Home::A > B", ("Home", "A > B")),
        ("/", "Home", ("Home",)),
        ("/", '["Home", "TV/Audio"]', ("Home", "TV/Audio")),
    ],
)
def test_a_path_is_parted_where_the_separator_is(
    tmp_path: Path, separator: str | None, text: str, path: tuple[str, ...]
) -> None:
    file = write_csv(tmp_path / "rows.csv", ["product_id", "title", "category_path"], ["1", "Cup", text])
    assert read(file, path_separator=separator)[0].category_path == path


@pytest.mark.parametrize(
    ("change", "column", "problem"),
    [
        ({"title": None}, "title", "is blank; every product needs one; correct it, or leave such rows out"),
        ({"title": ""}, "title", "is blank; every product needs one; correct it, or leave such rows out"),
        ({"title": "  "}, "title", "is blank"),
        ({"product_id": ""}, "product_id", "is blank"),
        ({"brand": "x" * 513}, "brand", "length <= 512"),
        ({"brand": 0}, "brand", "got `int`"),
        ({"price": "12 EUR"}, "price", "'12 EUR' is not a number"),
        ({"price": "14,99"}, "price", "omit currency and separators, or the column (--column price=)"),
        ({"price": -1}, "price", "-1"),
        ({"stores": ["ok", 5]}, "stores", "got `int`"),
        ({"tags": 5}, "tags", "got `int`"),
        ({"tags": '["%s"]' % ("x" * 513)}, "tags", "length <= 512"),
        ({"stores": "[5]"}, "stores", "got `int`"),
        ({"category_path": "[5]"}, "category_path", "neither a list of names"),
        ({"tags": ["x" * 513]}, "tags", "length <= 512"),
        ({"currency": "euro"}, "currency", "regex"),
        ({"attributes": {"a": {"b": 1}}}, "attributes", "under 'a'; flatten"),
        ({"attributes": "[1]"}, "attributes", "no object"),
        ({"updated_at": "2026-01-01"}, "updated_at", "write it as 2026-01-31T12:00:00Z"),
        ({"category_path": ["Home", ""]}, "category_path", "blank name"),
        ({"category_path": 5}, "category_path", "neither a list of names"),
        ({"category_id": ["a"]}, "category_id", "no text"),
        ({"category_id": 1.5}, "category_id", "no text"),
        ({"category_id": " "}, "category_id", "' ' is blank; leave it empty"),
    ],
)
def test_a_bad_value_is_named_with_file_line_column_and_remedy(
    tmp_path: Path, change: dict[str, Any], column: str, problem: str
) -> None:
    path = write_jsonl(tmp_path / "rows.jsonl", LAMP, {**LAMP, **change})
    with pytest.raises(InvalidProducts) as raised:
        read(path)
    assert f"{path}, line 2, column {column}:" in str(raised.value)
    assert problem in str(raised.value)


def test_an_id_of_a_category_is_read_without_the_spaces_around_it(tmp_path: Path) -> None:
    file = write_csv(tmp_path / "rows.csv", ["product_id", "title", "category_id"], ["1", "Cup", " 111 "])
    assert read(file)[0].category_id == "111"


def test_only_a_value_whose_column_is_not_there_is_missing(tmp_path: Path) -> None:
    untitled = {name: value for name, value in LAMP.items() if name != "title"}
    path = write_jsonl(tmp_path / "rows.jsonl", LAMP, untitled)
    with pytest.raises(InvalidProducts, match="line 2, column title: is missing; add it, or name the column"):
        read(path)
    table = write_csv(tmp_path / "rows.csv", ["product_id", "title"], ["1", "Cup"], ["2", ""])
    with pytest.raises(InvalidProducts, match="line 3, column title: is blank"):
        read(table)


def test_a_long_value_is_shown_shortened(tmp_path: Path) -> None:
    path = write_jsonl(tmp_path / "rows.jsonl", {**LAMP, "title": "x" * 5_000})
    with pytest.raises(InvalidProducts) as raised:
        read(path)
    assert len(str(raised.value)) < 500


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b'{"product_id": "1", "title": ', "line 1: .* is no JSON"),
        (b"[1, 2]\n", "is no JSON object"),
        (b'[\n{"product_id": "1"}\n]', "one object a line"),
        (b'{"product_id": "1", "title": "\xff"}', "is not UTF-8 at its byte 31; save the file as UTF-8"),
        (b'{"product_id": "1", "title": "' + b"x" * MAX_LINE_BYTES + b'"}', "longer than"),
    ],
)
def test_a_bad_line_is_named(tmp_path: Path, content: bytes, problem: str) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_bytes(content)
    with pytest.raises(InvalidProducts, match=problem):
        read(path)


def test_bad_rows_are_skipped_and_counted_by_column_where_asked(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    good = orjson.dumps(LAMP)
    long = b'{"title": "' + b"x" * (2 * MAX_LINE_BYTES) + b'"}'
    path.write_bytes(b"\n".join([good, b"{", b"", long, b'{"product_id": "2"}', good]))
    file = ProductFile(path, on_error="skip")
    assert [item.line for item in file] == [1, 6]
    assert file.skipped == {"line": 2, "title": 1}
    assert file.rows == 5
    assert file.first_skipped is not None
    assert f"{path}, line 2" in file.first_skipped


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "is empty; give a file whose first line names its columns"),
        (b"product_id,title\n1,Cup,extra\n", "line 2: .*has 3 fields, the header has 2"),
        (b"product_id,title\n1,Cup\n2,C\xffp\n", "line 3: .*not UTF-8 at its byte 4"),
        (b"product_id,t\xfftle\n1,Cup\n", "line 1: .*not UTF-8"),
        (b'product_id,title\n1,"Cup' + b"x" * 140_000, "line 2: .*close quotes"),
    ],
)
def test_a_bad_line_of_csv_is_named(tmp_path: Path, content: bytes, problem: str) -> None:
    path = tmp_path / "rows.csv"
    path.write_bytes(content)
    with pytest.raises(InvalidProducts, match=problem):
        read(path)


def test_csv_as_spreadsheets_write_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_bytes('\ufeffproduct_id,title\r\n1,"Cup, ""large""\r\nblue"\r\n\r\n2,Häfen\r\n'.encode())
    assert [item.product.title for item in read(path)] == ['Cup, "large"\r\nblue', "Häfen"]


def test_a_time_without_zone_in_parquet_means_utc(tmp_path: Path) -> None:
    table = pa.table({"product_id": [1], "title": ["Cup"], "updated_at": [datetime(2026, 1, 2)]})  # noqa: DTZ001
    pq.write_table(table, tmp_path / "rows.parquet")
    assert read(tmp_path / "rows.parquet")[0].product.updated_at == datetime(2026, 1, 2, tzinfo=UTC)


def test_a_truncated_file_is_refused_by_name(tmp_path: Path) -> None:
    zipped = tmp_path / "rows.jsonl.gz"
    zipped.write_bytes(gzip.compress(orjson.dumps(LAMP) + b"\n")[:-9])
    with pytest.raises(InvalidProducts, match=r"rows\.jsonl\.gz: cannot be read on"):
        read(zipped)
    parquet = tmp_path / "rows.parquet"
    pq.write_table(pa.table({"product_id": ["1"], "title": ["Cup"]}), parquet)
    parquet.write_bytes(parquet.read_bytes()[:-20])
    with pytest.raises(InvalidProducts, match=r"rows\.parquet: cannot be read as Parquet"):
        read(parquet)


def test_a_file_that_is_not_there_or_says_not_what_it_is_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidProducts, match="there is no such file"):
        ProductFile(tmp_path / "none.jsonl")
    (tmp_path / "rows.xlsx").write_bytes(b"PK")
    with pytest.raises(InvalidProducts, match=r"rows\.xlsx: its name does not say"):
        ProductFile(tmp_path / "rows.xlsx")


def test_a_stream_of_json_lines_is_read_as_it_comes() -> None:
    file = ProductFile(io.BytesIO(orjson.dumps(LAMP)))
    assert [item.product.product_id for item in file] == ["p1"]
    assert file.total_bytes == 0


def test_how_far_a_file_was_read_is_known(tmp_path: Path) -> None:
    file = ProductFile(write_jsonl(tmp_path / "rows.jsonl", LAMP))
    rows = iter(file)
    next(rows)
    assert file.bytes_read == file.total_bytes > 0


def test_a_parquet_row_with_a_time_beyond_the_calendar_is_counted_and_its_neighbours_are_read(
    tmp_path: Path,
) -> None:
    times = pa.array([0, 2**62, 1], pa.timestamp("us"))
    path = tmp_path / "products.parquet"
    pq.write_table(pa.table({"product_id": ["1", "2", "3"], "title": ["Cup"] * 3, "updated_at": times}), path)
    file = ProductFile(path, on_error="skip")
    assert [item.product.product_id for item in file] == ["1", "3"]
    assert file.skipped.total() == 1
    with pytest.raises(InvalidProducts, match="row 2: holds a value that cannot be read"):
        list(ProductFile(path))
