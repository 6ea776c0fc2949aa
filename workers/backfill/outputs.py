"""Output files that decisions are appended to, and that can be resumed where they end."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, NamedTuple, Protocol

import msgspec

from schemas.errors import InvalidFile
from schemas.events.position import SourcePosition
from schemas.events.product import ProductId
from workers.backfill.forms import form_of, schema
from workers.printable import printable

# How far from the end the last line is searched for; several hundred times the length of a decision.
_TAIL_BYTES: Final = 4 << 20
_CHUNKS_A_GROUP: Final = 16
_GROUPS_A_PART: Final = 4
_PART: Final = "part-{:06}.parquet"
_PARTS: Final = "part-*.parquet"
_UNFINISHED: Final = ".unfinished"


class Last(msgspec.Struct, frozen=True):
    """The last decision of an output: its product, the product's place in the input, and the model version."""

    product_id: ProductId
    source: SourcePosition
    model_version: str


class Ending(NamedTuple):
    """Where an output ends: its last decision, if any, and the size of its complete part, in bytes or in parts."""

    last: Last | None
    complete_size: int


class Output(Protocol):
    """A destination for encoded decisions; raises :class:`InvalidFile` if they cannot be written."""

    def append(self, payload: bytes) -> None:
        """Add the decisions on a chunk, in the output format."""

    def close(self) -> None:
        """Write what is left."""


def find_ending(path: Path, *, resume: bool) -> Ending:
    """Return where an output ends, without changing it: a file of JSON lines, or a directory of Parquet files.

    Raises :class:`InvalidFile` if the output exists and is not to be resumed, or if it holds something else.
    """
    lines = form_of(path) == "jsonl"
    if not lines and printable(str(path)) != str(path):
        raise InvalidFile(f"{path}: a Parquet output needs a name in valid UTF-8; name another output")
    with _os_errors_as_invalid_file(path):
        if not path.exists():
            return Ending(None, 0)
        if not (path.is_file() if lines else path.is_dir()):
            kind = "file" if lines else "directory, as Parquet is written to"
            raise InvalidFile(f"{path} is no {kind}; name another output")
        if not resume:
            raise InvalidFile(f"{path} exists; go on where it ends with --resume, or name another output")
        return _ending_of_lines(path) if lines else _ending_of_parts(path)


def open_output(path: Path, ending: Ending) -> Output:
    """Open the output, creating it if needed; cut off what an interruption left after the ending.

    Raises :class:`InvalidFile` if it cannot be written.
    """
    with _os_errors_as_invalid_file(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        return (
            JsonLines(path, ending.complete_size)
            if form_of(path) == "jsonl"
            else ParquetParts(path, ending.complete_size)
        )


class JsonLines:
    """Decisions as JSON lines, appended after the first ``complete_bytes`` bytes of the file."""

    def __init__(self, path: Path, complete_bytes: int) -> None:
        self._path = path
        self._file = path.open("ab")
        self._file.truncate(complete_bytes)

    def append(self, payload: bytes) -> None:
        """Write the lines immediately."""
        with _os_errors_as_invalid_file(self._path):
            self._file.write(payload)
            self._file.flush()

    def close(self) -> None:
        """Close the file."""
        with _os_errors_as_invalid_file(self._path):
            self._file.close()


class ParquetParts:
    """Decisions in a directory of Parquet files; each file gets its final name when it is complete."""

    def __init__(self, directory: Path, complete_parts: int) -> None:
        self._directory = directory
        directory.mkdir(exist_ok=True)
        for unfinished in directory.glob(_PARTS + _UNFINISHED):
            unfinished.unlink()
        self._number = complete_parts
        self._batches: list[Any] = []
        self._groups = 0
        self._writer: Any = None

    def append(self, payload: bytes) -> None:
        """Collect rows, and write them once there are enough for a row group."""
        import pyarrow as pa  # noqa: PLC0415 - takes a third of a second, and most output is JSON lines

        with pa.ipc.open_stream(payload) as reader:
            self._batches.extend(reader)
        if len(self._batches) >= _CHUNKS_A_GROUP:
            with _os_errors_as_invalid_file(self._directory):
                self._write()
                if self._groups >= _GROUPS_A_PART:
                    self._finish()

    def close(self) -> None:
        """Write what is left."""
        with _os_errors_as_invalid_file(self._directory):
            if self._batches:
                self._write()
            if self._writer is not None:
                self._finish()

    def _write(self) -> None:
        import pyarrow as pa  # noqa: PLC0415
        import pyarrow.parquet as pq  # noqa: PLC0415

        writer = self._writer or pq.ParquetWriter(self._unfinished, schema(), compression="zstd")
        table = pa.Table.from_batches(self._batches, schema())
        # Drop the writer if this fails: its file could then be closed without an error, but not be read.
        self._writer, self._batches = None, []
        writer.write_table(table)
        self._writer = writer
        self._groups += 1

    def _finish(self) -> None:
        writer, self._writer = self._writer, None
        writer.close()
        self._unfinished.rename(self._directory / _PART.format(self._number))
        self._number += 1
        self._groups = 0

    @property
    def _unfinished(self) -> Path:
        return self._directory / (_PART.format(self._number) + _UNFINISHED)


@contextmanager
def _os_errors_as_invalid_file(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else error
        raise InvalidFile(f"{error.filename or path}: {reason}; name an output that can be written") from error


def _ending_of_lines(path: Path) -> Ending:
    with path.open("rb") as file:
        start = file.seek(max(0, path.stat().st_size - _TAIL_BYTES))
        tail = file.read()
    if not tail:
        return Ending(None, 0)
    end = tail.rfind(b"\n")
    if end < 0:
        raise InvalidFile(f"{path} has no complete decision to resume after; delete it, or name another output")
    try:
        last = msgspec.json.decode(tail[tail.rfind(b"\n", 0, end) + 1 : end], type=Last)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise InvalidFile(f"{path}: its last line is no decision ({error}); name another output") from None
    return Ending(last, start + end + 1)


def _ending_of_parts(directory: Path) -> Ending:
    entries = sorted(directory.iterdir())
    parts = [entry for entry in entries if entry.match(_PARTS)]
    if not parts:
        foreign = [entry.name for entry in entries if not entry.match(_PARTS + _UNFINISHED)]
        if foreign:
            raise InvalidFile(f"{directory} holds {foreign[0]}, and no decisions; name another output")
        return Ending(None, 0)
    if parts[-1].name != _PART.format(len(parts) - 1):
        raise InvalidFile(f"{directory}: {len(parts)} parts, and the last is {parts[-1].name}; one is missing")
    return Ending(_last_row(parts[-1]), len(parts))


def _last_row(part: Path) -> Last:
    import pyarrow as pa  # noqa: PLC0415
    import pyarrow.parquet as pq  # noqa: PLC0415

    columns = list(Last.__struct_fields__)
    try:
        with pq.ParquetFile(part) as file:
            group = file.read_row_group(file.num_row_groups - 1, columns=columns)
        return msgspec.convert(group.slice(group.num_rows - 1).to_pylist()[0], Last)
    except (pa.ArrowException, OSError, LookupError, UnicodeDecodeError, msgspec.ValidationError) as error:
        raise InvalidFile(
            f"{part}: cannot be read as decisions ({error}); delete it, or name another output"
        ) from None
