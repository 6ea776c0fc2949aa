"""Read the products of a file in any of the formats."""

from __future__ import annotations

import gzip
import zlib
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from io import BufferedReader, RawIOBase
from pathlib import Path
from typing import BinaryIO, Final, Literal, cast

from schemas.errors import InvalidProducts
from workers.product_files.columns import ColumnMap
from workers.product_files.csv_rows import csv_rows
from workers.product_files.parquet_rows import parquet_rows
from workers.product_files.rows import BadValue, LabelledProduct, labelled_product
from workers.product_files.text_rows import BadLine, Row, json_rows

Format = Literal["jsonl", "csv", "tsv", "parquet"]
FORMATS: Final = ("jsonl", "csv", "tsv", "parquet")
_SUFFIXES: Final[dict[str, Format]] = {
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "jsonl",
    ".csv": "csv",
    ".tsv": "tsv",
    ".parquet": "parquet",
    ".pq": "parquet",
}
_GZIP: Final = b"\x1f\x8b"
_SHOWN_CHARACTERS: Final = 80


class ProductFile:
    """The products of a file, read one by one while iterating.

    ``columns`` maps our column names to the file's. With ``on_error="raise"`` the first row that cannot be read
    raises :class:`InvalidProducts`, naming file, line, column, value and remedy; with ``"skip"`` such rows are
    left out and counted in :attr:`skipped`, by column. :attr:`overlooked` lists columns that are not read only
    because of upper or lower case, each with our name. Each iteration reads the file again; a stream or a pipe can
    be read only once.

    Text files may be gzipped, whatever their name. JSON lines: one object per line. CSV and TSV: UTF-8 with a
    header; lists are JSON or ``A|B``, paths are ``A > B``, or have ``path_separator`` between names. Besides the
    list ``stores``, a single ``store`` is read as text.
    """

    def __init__(
        self,
        source: Path | BinaryIO,
        *,
        columns: ColumnMap | None = None,
        format: Format | None = None,  # noqa: A002 - the word users know from the command line
        on_error: Literal["raise", "skip"] = "raise",
        path_separator: str | None = None,
    ) -> None:
        self.name: Final = str(source) if isinstance(source, Path) else "standard input"
        self.columns: Final = columns or ColumnMap()
        self.format: Final = format or _format_of(source)
        self.skipped: Counter[str] = Counter()
        self.first_skipped: str | None = None
        self.overlooked: list[tuple[str, str]] = []
        self.rows = 0
        self._source = source
        self._raw: BinaryIO | None = None
        self._on_error = on_error
        self._path_separator = path_separator
        if isinstance(source, Path) and (source.is_dir() or not source.exists()):
            raise InvalidProducts(f"{source}: there is no such file; name a file of products")
        if self.format == "parquet" and not (isinstance(source, Path) and source.is_file()):
            raise InvalidProducts(f"Parquet cannot be read from a stream such as {self.name}; give a file")

    @property
    def total_bytes(self) -> int:
        """The size of the file, or 0 if it is not known."""
        return self._source.stat().st_size if isinstance(self._source, Path) else 0

    @property
    def bytes_read(self) -> int:
        """How many of :attr:`total_bytes` have been read; 0 if that is not known, as for Parquet."""
        return self._raw.tell() if self._raw and not self._raw.closed and self._raw.seekable() else 0

    def __iter__(self) -> Iterator[LabelledProduct]:
        self.rows = 0
        self.skipped.clear()
        self.first_skipped = None
        self.overlooked = []
        seen: set[str] = set()
        with ExitStack() as stack:
            for line, row in self._rows(stack):
                self.rows += 1
                if isinstance(row, BadLine):
                    self._bad("line", line, row.shown, row.problem)
                    continue
                if self.format == "jsonl":
                    seen.update(row)
                try:
                    product = labelled_product(self.columns.rename(row), line, self._path_separator)
                except BadValue as error:
                    self._bad(error.column, line, error.value, error.problem)
                    continue
                yield product
        # CSV and Parquet were checked by their header; JSON lines have none.
        if self.format == "jsonl" and self.rows:
            header = sorted(seen)
            if self.columns.renames:
                self.columns.check_header(self.name, header)
            self.overlooked = self.columns.overlooked(header)

    def _rows(self, stack: ExitStack) -> Iterator[Row]:
        if self.format == "parquet" and isinstance(self._source, Path):
            yield from parquet_rows(self._source, self._check_header)
            return
        stream = self._open(stack)
        try:
            if self.format == "jsonl":
                yield from json_rows(stream)
            else:
                delimiter = "\t" if self.format == "tsv" else None
                yield from csv_rows(stream, self.name, self._check_header, delimiter)
        except (OSError, EOFError, zlib.error) as error:
            raise InvalidProducts(f"{self.name}: cannot be read on ({error}); is the file whole?") from error

    def _open(self, stack: ExitStack) -> BinaryIO:
        try:
            if isinstance(self._source, Path):
                raw = self._raw = stack.enter_context(self._source.open("rb"))
            else:
                raw = _peekable(self._source, stack)
            if raw.peek(2)[:2] == _GZIP:
                return cast("BinaryIO", stack.enter_context(gzip.open(raw)))
        except OSError as error:
            raise InvalidProducts(f"{self.name}: {error.strerror}; name a file that can be read") from error
        return raw

    def _check_header(self, header: list[str]) -> list[str]:
        """Check the header and return the columns that are read."""
        self.columns.check_header(self.name, header)
        self.overlooked = self.columns.overlooked(header)
        return self.columns.those_read(header)

    def _bad(self, column: str, line: int, value: object, problem: str) -> None:
        text = self._message(column, line, value, problem)
        if self._on_error == "raise":
            raise InvalidProducts(text)
        self.skipped[column or "row"] += 1
        self.first_skipped = self.first_skipped or text

    def _message(self, column: str, line: int, value: object, problem: str) -> str:
        place = f"{self.name}, {'row' if self.format == 'parquet' else 'line'} {line}"
        remedy = "correct it"
        if self._on_error == "raise":
            remedy += ", or leave such rows out with --skip-invalid"
        if problem == "is missing":
            remedy = f"add it, or name the column that holds it with --column {column}=NAME"
        if column not in ("", "line"):
            place += f", column {self.columns.theirs(column)}"
        shown = f" {_shortened(value)}" if value not in (None, "") else ""
        return f"{place}:{shown} {problem}; {remedy}"


def _peekable(stream: BinaryIO, stack: ExitStack) -> BufferedReader:
    # Standard input already has a buffer; another one would wait until it is full.
    if isinstance(stream, BufferedReader):
        return stream
    buffered: BufferedReader = BufferedReader(cast("RawIOBase", stream))
    # The caller's stream is not ours to close.
    stack.callback(buffered.detach)
    return buffered


def _shortened(value: object) -> str:
    text = repr(value)
    return text if len(text) <= _SHOWN_CHARACTERS else text[:_SHOWN_CHARACTERS] + "..."


def _format_of(source: Path | BinaryIO) -> Format:
    if not isinstance(source, Path):
        return "jsonl"
    name = source.name.lower().removesuffix(".gz")
    for suffix, known in _SUFFIXES.items():
        if name.endswith(suffix):
            return known
    raise InvalidProducts(
        f"{source}: its name does not say what it holds; name it {', '.join(_SUFFIXES)} (.gz may follow), or say"
        " so with --format"
    )
