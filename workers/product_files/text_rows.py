"""Read the lines of text files, and the rows of JSON lines."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, BinaryIO, Final

import orjson

# An event may have 1 MiB; a line may also hold columns that are not read.
MAX_LINE_BYTES: Final = 8_388_608
_ONE_A_LINE: Final = "write one object a line (jq -c 'if type == \"array\" then .[] else . end')"
_BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"


class BadLine(Exception):
    """A line that cannot be read at all."""

    def __init__(self, line: int, problem: str, shown: str = "") -> None:
        super().__init__(problem)
        self.line = line
        self.problem = problem
        self.shown = shown


Row = tuple[int, dict[str, Any] | BadLine]


def json_rows(stream: BinaryIO) -> Iterator[Row]:
    """Yield each line's object, or what is wrong with the line; blank lines are skipped."""
    for number, line in numbered_lines(stream):
        if isinstance(line, BadLine):
            yield number, line
        elif not line.isspace():
            yield number, _object(number, line)


def _object(number: int, line: bytes) -> dict[str, Any] | BadLine:
    try:
        value = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        try:
            line.decode()
        except UnicodeDecodeError as bad:
            return BadLine(number, not_utf8(bad), shown(line))
        # The first line of an indented file is a lone bracket: say what the file is, not what this line lacks.
        if number == 1 and line.strip() in (b"[", b"{"):
            return BadLine(number, f"is JSON over many lines; {_ONE_A_LINE}", shown(line))
        return BadLine(number, f"is no JSON ({error})", shown(line))
    if isinstance(value, dict):
        return value
    return BadLine(number, f"is no JSON object; {_ONE_A_LINE}", shown(line))


def numbered_lines(stream: BinaryIO) -> Iterator[tuple[int, bytes | BadLine]]:
    """Yield each line with its number from 1, or what is wrong with it."""
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


def not_utf8(error: UnicodeDecodeError) -> str:
    """Return what is wrong with a line that is not UTF-8."""
    return f"is not UTF-8 at its byte {error.start + 1}; save the file as UTF-8"


def shown(line: bytes) -> str:
    """Return the beginning of a line for an error message."""
    return line[:80].decode(errors="backslashreplace").strip()
