"""Rows of JSON lines, CSV and TSV."""

from __future__ import annotations

import csv
from collections import deque
from collections.abc import Iterator
from typing import Any, BinaryIO, Final

import orjson

from schemas.errors import InvalidProducts
from workers.product_files.columns import ColumnMap

# An event may have 1 MiB; a line also holds columns that are not read.
MAX_LINE_BYTES: Final = 8_388_608
# Longer than the longest description, so that its own bound is what an error names.
_MAX_CSV_FIELD: Final = 131_072
_DELIMITERS: Final = (",", "\t", ";", "|")
_BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"


class BadLine(Exception):
    """A line cannot be read at all."""

    def __init__(self, line: int, problem: str, shown: str = "") -> None:
        super().__init__(problem)
        self.line = line
        self.problem = problem
        self.shown = shown


Row = tuple[int, dict[str, Any] | BadLine]


def json_rows(stream: BinaryIO) -> Iterator[Row]:
    """Yield each line's object, or what is wrong with the line; blank lines are passed over."""
    for number, line in _lines(stream):
        if isinstance(line, BadLine):
            yield number, line
        elif not line.isspace():
            yield number, _object(number, line)


def _object(number: int, line: bytes) -> dict[str, Any] | BadLine:
    try:
        value = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        # An indented file opens with a bracket alone: say what the file is, not what the line lacks.
        if number == 1 and line.strip() in (b"[", b"{"):
            return BadLine(number, "is JSON over many lines; write one object a line (jq -c '.[]')", _shown(line))
        return BadLine(number, f"is no JSON ({error})", _shown(line))
    if isinstance(value, dict):
        return value
    return BadLine(number, "is no JSON object; write one object a line", _shown(line))


def csv_rows(stream: BinaryIO, file: str, columns: ColumnMap, delimiter: str | None) -> Iterator[Row]:
    """Yield each record as a dictionary by the header's names, or what is wrong with it.

    Raises :class:`InvalidProducts` where the header cannot be read or lacks a column.
    """
    lines = _TextLines(stream)
    first = next(lines, "")
    lines.put_back(first)
    # Without `strict`, a stray quote becomes part of the text, as spreadsheets have it.
    reader = csv.reader(lines, delimiter=delimiter or max(_DELIMITERS, key=first.count))
    csv.field_size_limit(_MAX_CSV_FIELD)
    try:
        header = [name.strip() for name in next(reader, [])]
    except csv.Error as error:
        raise InvalidProducts(
            f"{file}, line 1: {first[:80]!r} is no CSV header ({error}); end lines with a line feed"
        ) from None
    if bad := lines.take_bad():
        raise InvalidProducts(f"{file}, line {bad.line}: {bad.shown!r} {bad.problem}")
    columns.check_header(file, header)
    while True:
        line = lines.number + 1
        try:
            record = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            yield line, BadLine(line, f"is no CSV ({error}); is a quote left open?")
            continue
        if bad := lines.take_bad():
            yield bad.line, bad
        elif len(record) == len(header):
            yield line, dict(zip(header, record, strict=True))
        elif record:
            problem = (
                f"has {len(record)} fields, the header has {len(header)}; quote fields that hold the delimiter"
            )
            yield line, BadLine(line, problem, ", ".join(record)[:80])


class _TextLines:
    """Lines as text; what is wrong with one is kept aside, since a CSV reader takes text only."""

    def __init__(self, stream: BinaryIO) -> None:
        self._lines = _lines(stream)
        self._again: deque[str] = deque()
        self._bad: BadLine | None = None
        self.number = 0

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        if self._again:
            self.number += 1
            return self._again.popleft()
        self.number, line = next(self._lines)
        if isinstance(line, BadLine):
            self._bad = line
            return "\n"
        try:
            return line.decode()
        except UnicodeDecodeError as error:
            problem = f"is not UTF-8 at its byte {error.start + 1}; save the file as UTF-8"
            self._bad = BadLine(self.number, problem, _shown(line))
            return line.decode(errors="replace")

    def put_back(self, line: str) -> None:
        """Yield this line again, next."""
        if line:
            self._again.append(line)
            self.number -= 1

    def take_bad(self) -> BadLine | None:
        """Return, once, what was wrong with the lines since the last call."""
        bad, self._bad = self._bad, None
        return bad


def _lines(stream: BinaryIO) -> Iterator[tuple[int, bytes | BadLine]]:
    number = 0
    while line := stream.readline(MAX_LINE_BYTES + 1):
        number += 1
        if number == 1:
            line = line.removeprefix(_BYTE_ORDER_MARK)
        if len(line) <= MAX_LINE_BYTES:
            yield number, line
            continue
        while line and not line.endswith(b"\n"):
            line = stream.readline(MAX_LINE_BYTES)
        yield number, BadLine(number, f"is longer than {MAX_LINE_BYTES:,} bytes")


def _shown(line: bytes) -> str:
    return line[:80].decode(errors="backslashreplace").strip()
