"""Read the rows of CSV and TSV files."""

from __future__ import annotations

import csv
from bisect import bisect_left
from collections import deque
from collections.abc import Callable, Iterator
from itertools import islice
from typing import BinaryIO, Final

from schemas.errors import InvalidProducts
from workers.product_files.text_rows import MAX_LINE_BYTES, BadLine, Row, not_utf8, numbered_lines, shown

# Larger than the longest description, so that an error names the description's own bound.
_MAX_FIELD: Final = 131_072
# Limits a record whose fields contain line breaks; its characters are limited like those of a line.
_MAX_RECORD_LINES: Final = 1_000
_DELIMITERS: Final = (",", "\t", ";", "|")


def csv_rows(
    stream: BinaryIO, file: str, check_header: Callable[[list[str]], object], delimiter: str | None
) -> Iterator[Row]:
    """Yield each record as a dictionary with the header's names, or what is wrong with it.

    Raises :class:`InvalidProducts` if the header cannot be read, and what ``check_header`` raises.
    """
    csv.field_size_limit(_MAX_FIELD)
    lines = _RecordLines(stream)
    records = _records(lines, delimiter or max(_DELIMITERS, key=lines.peek().count))
    _, first = next(records, (1, []))
    if isinstance(first, BadLine):
        raise InvalidProducts(f"{file}, line {first.line}: {first.shown!r} {first.problem}")
    header = [name.strip() for name in first]
    check_header(header)
    for line, record in records:
        if isinstance(record, BadLine):
            yield record.line, record
        elif len(record) == len(header):
            yield line, dict(zip(header, record, strict=True))
        elif record:
            problem = (
                f"has {len(record)} fields, the header has {len(header)}; quote fields that hold the delimiter"
            )
            yield line, BadLine(line, problem, ", ".join(record)[:80])


def _records(lines: _RecordLines, delimiter: str) -> Iterator[tuple[int, list[str] | BadLine]]:
    """Yield each record with the number of its first line, or what is wrong with it."""
    reader = csv.reader(lines, delimiter=delimiter, strict=True)
    while True:
        lines.begin()
        record: list[str] | BadLine
        try:
            record = next(reader)
        except StopIteration:
            return
        except csv.Error:
            reader = csv.reader(lines, delimiter=delimiter, strict=True)
            if lines.open:
                record = _left_open(lines, delimiter)
            else:
                record = _with_stray_quotes(lines.first, lines.texts[0], delimiter)
        yield lines.first, lines.take_bad() or record


def _with_stray_quotes(number: int, line: str, delimiter: str) -> list[str] | BadLine:
    """Read a single line; stray quotes become part of the text, as in spreadsheets."""
    rest = iter((line, ""))
    try:
        record = next(csv.reader(rest, delimiter=delimiter))
    except csv.Error as error:
        problem = f"is no CSV ({error}); close quotes, and end lines with a line feed"
        return BadLine(number, problem, line[:80].strip())
    # The reader takes the second text only if the first leaves a quote open.
    return record if next(rest, None) is not None else _open_quote(number, line)


def _left_open(lines: _RecordLines, delimiter: str) -> BadLine:
    """Report the line that opened the quote that is never closed, and have the lines after it read again."""
    texts = lines.texts[: lines.open]

    def fields(count: int) -> int:
        return len(next(csv.reader(texts[:count], delimiter=delimiter)))

    opened = bisect_left(range(1, len(texts)), fields(len(texts)), key=fields)
    lines.put_back(opened + 1)
    return _open_quote(lines.first + opened, texts[opened])


def _open_quote(number: int, line: str) -> BadLine:
    problem = "has a quote left open (close it, and write quotes within it twice)"
    return BadLine(number, problem, line[:80].strip())


class _RecordLines:
    """The lines of a file, record by record, as a CSV reader asks for them.

    ``texts`` are the lines of the current record, which starts at line ``first``. ``open`` is the number of lines
    after which a quote was still open: only then does the reader ask for another line.
    """

    def __init__(self, stream: BinaryIO) -> None:
        self._again: deque[str] = deque()
        self._bad: dict[int, BadLine] = {}
        self._read = self._lines(stream)
        self.first = 1
        self.texts: list[str] = []
        self.open = 0

    def __iter__(self) -> Iterator[str]:
        size = 0
        while not self.open or (self.open < _MAX_RECORD_LINES and size <= MAX_LINE_BYTES):
            text = self._again.popleft() if self._again else next(self._read, None)
            if text is None:
                return
            size = size + len(text) if self.open else len(text)
            self.texts.append(text)
            yield text
            self.open = len(self.texts)

    def begin(self) -> None:
        """Start the next record."""
        self.first += len(self.texts)
        self.texts.clear()
        self.open = 0

    def peek(self) -> str:
        """Return the next line without consuming it."""
        self._again.extend(islice(self._read, 1))
        return self._again[0] if self._again else ""

    def put_back(self, start: int) -> None:
        """Have the record's lines from ``start`` on, counted from 0, read again."""
        self._again.extendleft(reversed(self.texts[start:]))
        del self.texts[start:]

    def take_bad(self) -> BadLine | None:
        """Return what is wrong with a line of the record, if anything."""
        if not self._bad:
            return None
        lines = range(self.first, self.first + len(self.texts))
        bad = [self._bad.pop(number) for number in lines if number in self._bad]
        return bad[0] if bad else None

    def _lines(self, stream: BinaryIO) -> Iterator[str]:
        for number, line in numbered_lines(stream):
            if isinstance(line, BadLine):
                self._bad[number] = line
                yield "\n"
                continue
            try:
                yield line.decode()
            except UnicodeDecodeError as error:
                self._bad[number] = BadLine(number, not_utf8(error), shown(line))
                yield line.decode(errors="replace")
