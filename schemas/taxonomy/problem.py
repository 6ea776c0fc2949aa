"""What can be wrong with a file of categories."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal


class ProblemKind(StrEnum):
    """The kinds of problems that a file of categories can have."""

    INVALID_UTF8 = "invalid_utf8"
    UNREADABLE_LINE = "unreadable_line"
    TOO_LARGE = "too_large"
    OUT_OF_BOUNDS = "out_of_bounds"
    DUPLICATE_ID = "duplicate_id"
    DUPLICATE_PATH = "duplicate_path"
    REPEATED_LINE = "repeated_line"
    SAME_BUT_FOR_CASE = "same_but_for_case"
    MISSING_PARENT = "missing_parent"
    CYCLE = "cycle"
    NAMELESS = "nameless"
    EMPTY = "empty"


Severity = Literal["error", "warning"]


@dataclass(frozen=True, slots=True)
class Problem:
    """One problem: its line (from 1; 0 for the whole file), what is wrong, the text there, and the remedy.

    An error means that the file is not a tree; a warning was resolved as ``remedy`` says.
    """

    kind: ProblemKind
    severity: Severity
    line: int
    detail: str
    text: str
    remedy: str

    def __str__(self) -> str:
        place = f"line {self.line}: " if self.line else ""
        text = f": {self.text!r}" if self.text else ""
        return f"{place}{self.detail}{text}; {self.remedy}"


def error(kind: ProblemKind, line: int, detail: str, text: str, remedy: str) -> Problem:
    """Return an error; ``text`` is cut to 200 characters."""
    return Problem(kind, "error", line, detail, text[:200], remedy)


def warning(kind: ProblemKind, line: int, detail: str, text: str, remedy: str) -> Problem:
    """Return a warning; ``text`` is cut to 200 characters."""
    return Problem(kind, "warning", line, detail, text[:200], remedy)
