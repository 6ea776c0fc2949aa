"""A file of categories as lines of text, and what a reader makes of it."""

from __future__ import annotations

import codecs
import io
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from schemas.errors import InvalidTaxonomy
from schemas.taxonomy.node import MAX_NODES
from schemas.taxonomy.problem import Problem, ProblemKind, error

MAX_FILE_BYTES: Final = 64 * 1024 * 1024
# Room for comments and repeated lines in a file with the largest allowed number of categories.
MAX_LINES: Final = 2 * MAX_NODES

_OTHER_ENCODINGS: Final = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


@dataclass(frozen=True, slots=True)
class Line:
    """A line that is not blank: its number in the file, from 1, and its text without the line ending."""

    number: int
    text: str


@dataclass(frozen=True, slots=True)
class Source:
    """The lines of a file, and the problems found while reading them."""

    path: Path
    lines: tuple[Line, ...]
    problems: tuple[Problem, ...]


@dataclass(frozen=True, slots=True)
class Entry:
    """A category as a line states it, unchecked. ``id`` is ``None`` if the file has no ids."""

    line: int
    id: str | None
    path: tuple[str, ...]


@dataclass(slots=True)
class Parsed:
    """What a reader found. ``version`` is ``None`` if the file states none."""

    format: str
    name: str
    version: str | None = None
    entries: list[Entry] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)


def read_source(path: Path) -> Source:
    """Read the lines of a UTF-8 file, with or without a byte order mark, with any line ending.

    A line that is not UTF-8 becomes a problem. Raises :class:`InvalidTaxonomy` if the file cannot be opened or is
    over ``MAX_FILE_BYTES``.
    """
    try:
        with path.open("rb") as file:
            data = file.read(MAX_FILE_BYTES + 1)
    except OSError as failure:
        raise InvalidTaxonomy(f"{path}: {failure.strerror or failure}; name a file that can be read") from None
    if len(data) > MAX_FILE_BYTES:
        raise InvalidTaxonomy(f"{path}: over {MAX_FILE_BYTES:,} bytes; a taxonomy file may have no more")
    if data.startswith(_OTHER_ENCODINGS):
        raise InvalidTaxonomy(f"{path}: is in UTF-16; save it as UTF-8")
    data = data.removeprefix(codecs.BOM_UTF8).replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    found = list(_decoded(data))
    return Source(
        path,
        tuple(item for item in found if isinstance(item, Line)),
        tuple(item for item in found if isinstance(item, Problem)),
    )


def _decoded(data: bytes) -> Iterator[Line | Problem]:
    kept = 0
    for number, raw in enumerate(io.BytesIO(data), 1):
        if not raw.strip():
            continue
        kept += 1
        if kept > MAX_LINES:
            yield error(ProblemKind.TOO_LARGE, number, f"over {MAX_LINES:,} lines", "", "give a smaller taxonomy")
            return
        try:
            yield Line(number, raw.decode().rstrip("\n"))
        except UnicodeDecodeError as failure:
            shown = raw.decode(errors="backslashreplace").strip()
            detail = f"byte {failure.start + 1} of the line is not UTF-8"
            yield error(ProblemKind.INVALID_UTF8, number, detail, shown, "save the file as UTF-8")
