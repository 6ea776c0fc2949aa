"""Read CSV and TSV files that have a header row, in three layouts.

- one column ``path`` (or ``category_path``, ``full_path``), names joined by the separator; ``id`` is optional;
- one column per level: ``level_1``, ``level_2``, ...; ``id`` is optional;
- ``id``, ``parent_id`` and ``name``; a root's parent is blank.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from schemas.errors import InvalidTaxonomy
from schemas.taxonomy import adjacency
from schemas.taxonomy.node import clean_name, split_path
from schemas.taxonomy.problem import ProblemKind, error
from schemas.taxonomy.source import Entry, Parsed, Source
from schemas.taxonomy.text_formats import category_lines, is_comment

DELIMITERS: Final = (",", "\t", ";", "|")
_COLUMNS: Final[Mapping[str, tuple[str, ...]]] = {
    "path": ("path", "category_path", "full_path"),
    "id": ("id", "category_id"),
    "parent_id": ("parent_id", "parent"),
    "name": ("name", "category_name", "title", "label"),
}
_LEVEL: Final = re.compile(r"(?:level|category|cat|tier|l)[ _-]?(\d{1,2})")


@dataclass(frozen=True, slots=True)
class Layout:
    """Where the columns are: positions from 0, ``None`` if there is no such column."""

    delimiter: str
    columns: int
    path: int | None
    id: int | None
    parent_id: int | None
    name: int | None
    levels: tuple[int, ...]

    @property
    def usable(self) -> bool:
        """Whether this is one of the three layouts."""
        return self.path is not None or bool(self.levels) or self.adjacent

    @property
    def adjacent(self) -> bool:
        """Whether each row names its parent's id."""
        return None not in (self.id, self.parent_id, self.name)


def find_layout(source: Source) -> Layout | None:
    """Return the layout that the header row describes, or ``None`` if it describes none."""
    header = next(category_lines(source), None)
    if header is None:
        return None
    # A header with one column shows no delimiter. Except in a .csv file, commas then belong to the names.
    delimiters = DELIMITERS if source.path.suffix.lower() == ".csv" else ("\t", *DELIMITERS)
    layouts = (_layout(header.text, delimiter) for delimiter in delimiters)
    return next((layout for layout in layouts if layout.usable), None)


def read_delimited(source: Source, separator: str) -> Parsed:
    """Read the file; what cannot be read becomes a problem. Raises :class:`InvalidTaxonomy` for a bad header."""
    layout = find_layout(source)
    if layout is None:
        header = next((line.text for line in category_lines(source)), "")
        raise InvalidTaxonomy(
            f"{source.path}: the header row {header[:200]!r} names no columns of categories; name a column "
            "'path', or columns 'level_1', 'level_2', ..., or columns 'id', 'parent_id' and 'name'"
        )
    parsed = Parsed("delimited", source.path.stem)
    rows = _rows(source, layout, parsed)
    if layout.path is not None:
        parsed.entries = [_path_entry(row, layout, separator) for row in rows]
    elif layout.levels:
        _read_levels(rows, layout, parsed)
    else:
        adjacency.resolve([_adjacent_row(row, layout) for row in rows], parsed)
    return parsed


def _layout(header: str, delimiter: str) -> Layout:
    try:
        cells = next(csv.reader([header], _dialect(delimiter), delimiter=delimiter))
    except csv.Error:
        cells = []
    names = [clean_name(name).casefold().replace(" ", "_") for name in cells]
    at = {
        column: next((names.index(known) for known in wanted if known in names), None)
        for column, wanted in _COLUMNS.items()
    }
    levels = sorted(
        (int(match[1]), position) for position, name in enumerate(names) if (match := _LEVEL.fullmatch(name))
    )
    return Layout(delimiter=delimiter, columns=len(names), levels=tuple(p for _, p in levels), **at)


class _Quoted(csv.excel):
    skipinitialspace = True
    strict = True


class _Unquoted(_Quoted):
    """Tab-separated files contain quotes as they are: ``Screens 32"`` opens no quoted field."""

    quoting = csv.QUOTE_NONE


def _dialect(delimiter: str) -> type[csv.Dialect]:
    return _Unquoted if delimiter == "\t" else _Quoted


@dataclass(frozen=True, slots=True)
class _Row:
    line: int
    cells: tuple[str, ...]

    def get(self, position: int | None) -> str:
        return "" if position is None or position >= len(self.cells) else clean_name(self.cells[position])


def _rows(source: Source, layout: Layout, parsed: Parsed) -> Iterator[_Row]:
    lines = [line for position, line in enumerate(source.lines) if position >= _header_position(source)]
    reader = csv.reader((line.text for line in lines), _dialect(layout.delimiter), delimiter=layout.delimiter)
    read = 0
    try:
        for cells in reader:
            row, read = _Row(lines[read].number, tuple(cells)), reader.line_num
            if row.line != lines[0].number and _fits(row, layout, parsed):
                yield row
    except csv.Error as failure:
        line = lines[min(read, len(lines) - 1)]
        remedy = "close the quotes of this row; the rows after it were not read"
        parsed.problems.append(error(ProblemKind.UNREADABLE_LINE, line.number, str(failure), line.text, remedy))


def _header_position(source: Source) -> int:
    return next(position for position, line in enumerate(source.lines) if not is_comment(line))


def _fits(row: _Row, layout: Layout, parsed: Parsed) -> bool:
    """Whether the row has text, and no more cells than the header has columns."""
    filled = [position for position, cell in enumerate(row.cells) if cell.strip()]
    if filled and filled[-1] >= layout.columns:
        detail = f"{filled[-1] + 1} cells under a header of {layout.columns}"
        remedy = f"quote the cell that holds {layout.delimiter!r}"
        text = layout.delimiter.join(row.cells)
        parsed.problems.append(error(ProblemKind.UNREADABLE_LINE, row.line, detail, text, remedy))
        return False
    return bool(filled)


def _path_entry(row: _Row, layout: Layout, separator: str) -> Entry:
    return Entry(row.line, row.get(layout.id) or None, split_path(row.get(layout.path), separator))


def _adjacent_row(row: _Row, layout: Layout) -> adjacency.Row:
    return adjacency.Row(row.line, row.get(layout.id), row.get(layout.parent_id), row.get(layout.name))


def _read_levels(rows: Iterator[_Row], layout: Layout, parsed: Parsed) -> None:
    for row in rows:
        names = tuple(row.get(position) for position in layout.levels)
        path = tuple(name for name in names if name)
        if names[: len(path)] == path:
            parsed.entries.append(Entry(row.line, row.get(layout.id) or None, path))
        else:
            detail, remedy = (
                "a level is blank above one that is not",
                "name every level down to the category's",
            )
            parsed.problems.append(error(ProblemKind.UNREADABLE_LINE, row.line, detail, " | ".join(names), remedy))
