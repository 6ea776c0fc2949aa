"""Resolve rows that name their parent's id to paths. Parents may be missing or form a cycle."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from schemas.taxonomy.node import MAX_DEPTH
from schemas.taxonomy.problem import ProblemKind, error, warning
from schemas.taxonomy.source import Entry, Parsed

# What exports write for "no parent"; if a category has such an id, it is the parent.
_NO_PARENT: Final = frozenset({"", "0", "null", "none", "nil"})


@dataclass(frozen=True, slots=True)
class Row:
    """A category and its parent's id."""

    line: int
    id: str
    parent_id: str
    name: str


def resolve(rows: Sequence[Row], parsed: Parsed) -> None:
    """Add an entry for every row that leads to a root, and a problem for every other row.

    The first row with an id counts; another one is an error unless it says the same.
    """
    by_id: dict[str, Row] = {}
    for row in rows:
        _add(row, by_id, parsed)
    state: dict[str, tuple[str, ...] | None] = {}
    for row in by_id.values():
        if row.id not in state:
            _walk(row, by_id, state, parsed)
        path = state[row.id]
        if path is not None:
            parsed.entries.append(Entry(row.line, row.id, path))


def _add(row: Row, by_id: dict[str, Row], parsed: Parsed) -> None:
    first = by_id.get(row.id)
    if not row.id:
        parsed.problems.append(
            error(ProblemKind.UNREADABLE_LINE, row.line, "the id is blank", row.name, "give it one")
        )
    elif first is None:
        by_id[row.id] = row
    elif (first.parent_id, first.name) == (row.parent_id, row.name):
        detail = f"repeats line {first.line}"
        parsed.problems.append(warning(ProblemKind.REPEATED_LINE, row.line, detail, row.id, "read once"))
    else:
        detail = f"the id of line {first.line} again, for another category"
        remedy = "give each category its own id"
        parsed.problems.append(error(ProblemKind.DUPLICATE_ID, row.line, detail, row.id, remedy))


def _walk(start: Row, by_id: Mapping[str, Row], state: dict[str, tuple[str, ...] | None], parsed: Parsed) -> None:
    """Set the path of the row and of all rows above it in ``state``; ``None`` for rows that lead to no root."""
    pending: dict[str, Row] = {}
    row = start
    path: tuple[str, ...] | None = ()
    while True:
        pending[row.id] = row
        parent = by_id.get(row.parent_id)
        if parent is None:
            if row.parent_id.casefold() not in _NO_PARENT:
                path = None
                _report_missing(row, parsed)
            break
        if parent.id in state:
            path = state[parent.id]
            break
        if parent.id in pending:
            path = None
            _report_cycle(parent, pending, parsed)
            break
        row = parent
    for waiting in reversed(pending.values()):
        path = None if path is None else (*path, waiting.name)
        if path is not None and len(path) > MAX_DEPTH:
            path = None
            detail = f"deeper than {MAX_DEPTH} levels"
            parsed.problems.append(
                error(ProblemKind.OUT_OF_BOUNDS, waiting.line, detail, waiting.name, "make the tree flatter")
            )
        state[waiting.id] = path


def _report_missing(row: Row, parsed: Parsed) -> None:
    detail = f"the parent {row.parent_id!r} is not in the file; this category and all below it were left out"
    remedy = "add a row for the parent, or leave parent_id blank for a root"
    parsed.problems.append(error(ProblemKind.MISSING_PARENT, row.line, detail, row.name, remedy))


def _report_cycle(first: Row, pending: Mapping[str, Row], parsed: Parsed) -> None:
    ids = list(pending)
    cycle = ids[ids.index(first.id) :]
    shown = " -> ".join([*cycle[:10], *(["..."] if len(cycle) > 10 else []), first.id])
    detail = f"{len(cycle)} categories are their own ancestors; they and all below them were left out"
    remedy = "correct the parent_id of one of them"
    parsed.problems.append(error(ProblemKind.CYCLE, first.line, detail, shown, remedy))
