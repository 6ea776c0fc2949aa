"""What is wrong with a record costs that record alone, and is told of."""

from __future__ import annotations

import csv
import io
from functools import partial
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.errors import InvalidProducts
from workers.product_files import ColumnMap, ProductFile
from workers.product_files.csv_rows import csv_rows
from workers.product_files.text_rows import MAX_LINE_BYTES, BadLine

HEADER = ["product_id", "title", "brand"]
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
PLAIN = st.text("abc 1'", max_size=6)
# A quote that is left open ends at the next one; where a delimiter or a line break follows, that is a valid field.
LETTERED = st.builds(lambda letter, text: letter + text, st.sampled_from("ab1"), TEXTS) | st.just("")


def as_csv(rows: list[list[str]]) -> bytes:
    text = io.StringIO(newline="")
    csv.writer(text).writerows(rows)
    return text.getvalue().encode()


def rows_of(content: bytes, delimiter: str | None = None) -> list[dict[str, Any] | int]:
    """Return the rows, and the lines of those that cannot be read."""
    rows = csv_rows(io.BytesIO(content), "rows.csv", partial(ColumnMap().check_header, "rows.csv"), delimiter)
    return [number if isinstance(row, BadLine) else row for number, row in rows]


def titles(body: bytes) -> tuple[list[str], str | None, int]:
    """Return the titles of a file of two columns, the first error, and how many rows were left out."""
    file = ProductFile(io.BytesIO(b"product_id,title\n" + body), format="csv", on_error="skip")
    return [item.product.title for item in file], file.first_skipped, file.skipped.total()


@given(st.lists(st.tuples(TEXTS, TEXTS, TEXTS).map(list)))
def test_rows_are_read_as_they_were_written(rows: list[list[str]]) -> None:
    assert rows_of(as_csv([HEADER, *rows])) == [dict(zip(HEADER, row, strict=True)) for row in rows]


@given(
    st.lists(st.tuples(TEXTS, TEXTS, TEXTS).map(list)),
    st.lists(PLAIN, min_size=3, max_size=3),
    st.integers(0, 2),
    st.lists(st.tuples(LETTERED, LETTERED, LETTERED).map(list)),
)
def test_an_unclosed_quote_loses_its_own_row_alone(
    before: list[list[str]], fields: list[str], opened: int, after: list[list[str]]
) -> None:
    above = as_csv([HEADER, *before])
    fields[opened] = '"' + fields[opened]
    assert rows_of(above + ",".join(fields).encode() + b"\n" + as_csv(after)) == [
        *(dict(zip(HEADER, row, strict=True)) for row in before),
        above.count(b"\n") + 1,
        *(dict(zip(HEADER, row, strict=True)) for row in after),
    ]


@pytest.mark.parametrize("below", [b"", b'3,"Table, round"\n', b"\xff\n", b'4,"Desk\nlamp"\n'])
def test_an_unclosed_quote_is_told_of_with_its_line_and_the_remedy(below: bytes) -> None:
    found, error, _ = titles(b'1,"Open quote lamp\n2,Chair\n' + below)
    assert found[0] == "Chair"
    assert error == (
        "standard input, line 2: '1,\"Open quote lamp' has a quote left open (close it, and write quotes within"
        " it twice); correct it"
    )


def test_an_unclosed_quote_at_the_end_of_the_file_is_an_error() -> None:
    assert titles(b'1,Chair\n2,"Lamp')[::2] == (["Chair"], 1)


def test_the_line_of_an_unclosed_quote_is_the_one_that_opens_it() -> None:
    content = b'product_id,title,brand\n1,"two\nlines","Lumo\n2,Chair,Lumo\n'
    assert rows_of(content) == [3, {"product_id": "2", "title": "Chair", "brand": "Lumo"}]


def test_every_unclosed_quote_is_counted() -> None:
    assert titles(b'1,"Lamp\n2,"Chair\n3,Desk\n4,"Table\n')[::2] == (["Desk"], 3)


def test_a_field_of_many_lines_is_read_and_one_of_more_than_a_record_may_have_is_an_unclosed_quote() -> None:
    for lines, read in ((1_000, True), (1_001, False)):
        found, error, _ = titles(b'1,"' + b"\n" * (lines - 1) + b'Lamp"\n2,Chair\n')
        assert [title.strip() for title in found] == (["Lamp", "Chair"] if read else ["Chair"])
        assert read == (error is None)


def test_a_record_of_more_characters_than_a_line_may_have_is_an_unclosed_quote() -> None:
    field = b'"' + b"x" * 100_000 + b'\n",'
    found, error, _ = titles(field * (MAX_LINE_BYTES // 100_000 + 2) + b'"\n"\n2,Chair\n')
    assert (found, error is None) == (["Chair"], False)


def test_a_line_break_that_is_none_loses_its_own_row_alone() -> None:
    assert titles(b"1,Lam\rp\n2,Chair\n3,Desk\n")[::2] == (["Chair", "Desk"], 1)


def test_a_line_with_two_faults_is_one_bad_row() -> None:
    found, error, left_out = titles(b"1,La\xe9m\rp x\n2,Chair\n3,Desk\n")
    assert (found, left_out) == (["Chair", "Desk"], 1)
    assert error is not None
    assert "line 2: '1,La\\\\xe9m\\rp x' is not UTF-8 at its byte 5" in error


def test_a_field_with_a_line_that_is_not_utf8_is_one_bad_row() -> None:
    assert titles(b'1,"Lamp\n\xff\nred"\n2,Chair\n')[::2] == (["Chair"], 1)


@pytest.mark.parametrize(
    ("line", "title"),
    [
        (b'1,"Lamp" red', "Lamp red"),
        (b'1,Screen 32"', 'Screen 32"'),
        (b'1,"Lamp "de luxe" red"', 'Lamp de luxe" red"'),
    ],
)
def test_a_stray_quote_is_part_of_the_text(line: bytes, title: str) -> None:
    assert titles(line + b"\n2,Chair\n")[0] == [title, "Chair"]


def test_a_quote_left_open_after_a_stray_one_is_an_error() -> None:
    content = b'product_id,title,brand\n1,"Lamp" red,"Lumo\n2,Chair,Lumo\n'
    assert rows_of(content) == [2, {"product_id": "2", "title": "Chair", "brand": "Lumo"}]


@pytest.mark.parametrize(
    ("header", "problem"),
    [
        (b"product_id,title, title\n", "has more than one column 'title'; rename"),
        (b'product_id,"title\n1,Cup\n', "line 1: .* has a quote left open"),
        (b"product_id,title\r1,Cup\r", "line 1: .* end lines with a line feed"),
    ],
)
def test_a_header_that_cannot_be_used_is_refused(header: bytes, problem: str) -> None:
    with pytest.raises(InvalidProducts, match=problem):
        rows_of(header)


def test_columns_that_are_not_read_may_have_one_name() -> None:
    assert rows_of(b"product_id,title,,\n1,Cup,,\n") == [{"product_id": "1", "title": "Cup", "": ""}]
