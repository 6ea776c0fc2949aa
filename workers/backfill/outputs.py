"""Files that decisions are added to, and that tell where they end."""

from __future__ import annotations

from pathlib import Path
from typing import Any, BinaryIO, Final, NamedTuple, Protocol

import msgspec

from schemas.errors import InvalidFile
from schemas.events.position import SourcePosition
from workers.backfill.forms import Form, schema

# The longest line that is looked for, several hundred times that of a decision.
_TAIL_BYTES: Final = 4 << 20
_CHUNKS_A_GROUP: Final = 16
_GROUPS_A_PART: Final = 4
_PART: Final = "part-{:06}.parquet"


class Last(NamedTuple):
    """The last decision of an output: the line of its product, and the model that decided."""

    line: int
    model_version: str
    file: str


class Output(Protocol):
    """Takes encoded decisions; ``last`` is the one that it ended with when it was opened, if any."""

    last: Last | None

    def append(self, payload: bytes) -> None:
        """Add the decisions of a chunk, in the form of the output."""

    def close(self) -> None:
        """Write what is left."""


def form_of(path: Path) -> Form:
    """Return what is written under this name; raises :class:`InvalidFile` where it does not say."""
    forms: dict[str, Form] = {".jsonl": "jsonl", ".ndjson": "jsonl", ".parquet": "parquet"}
    if (form := forms.get(path.suffix)) is None:
        raise InvalidFile(f"{path}: its name does not say what to write; name it {', '.join(forms)}")
    return form


def open_output(path: Path, *, resume: bool) -> Output:
    """Open an output: a file of JSON lines, or a directory of Parquet files.

    Raises :class:`InvalidFile` where there is one already that is not to be resumed, or cannot be.
    """
    form = form_of(path)
    if path.exists() and not resume:
        raise InvalidFile(f"{path} exists; go on where it ends with --resume, or name another output")
    return JsonLines(path) if form == "jsonl" else ParquetParts(path)


def line_to_go_on_after(output: Output, source: str, model_version: str) -> int:
    """Return the line of the last product that the output has, 0 where it has none.

    Raises :class:`InvalidFile` where that is of another file or another model.
    """
    if output.last is None:
        return 0
    if output.last.file != source:
        raise InvalidFile(f"the output holds decisions on {output.last.file}, not on {source}; name another")
    if output.last.model_version != model_version:
        raise InvalidFile(
            f"the output was begun with model {output.last.model_version}, and this is {model_version};"
            " name another output, or the bundle that it was begun with"
        )
    return output.last.line


class _Ending(msgspec.Struct):
    source: SourcePosition
    model_version: str


class JsonLines:
    """Decisions as JSON lines. A line that a crash has cut is taken off."""

    def __init__(self, path: Path) -> None:
        self._file: BinaryIO = path.open("a+b")
        try:
            self.last = self._ending(path)
        except BaseException:
            self._file.close()
            raise

    def append(self, payload: bytes) -> None:
        """Write lines, at once."""
        self._file.write(payload)
        self._file.flush()

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _ending(self, path: Path) -> Last | None:
        size = self._file.seek(0, 2)
        start = self._file.seek(max(0, size - _TAIL_BYTES))
        tail = self._file.read()
        end = tail.rfind(b"\n")
        if end < 0 and start > 0:
            raise InvalidFile(f"{path} does not end in lines; name another output")
        self._file.truncate(start + end + 1)
        if end < 0:
            return None
        try:
            ending = msgspec.json.decode(tail[tail.rfind(b"\n", 0, end) + 1 : end], type=_Ending)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise InvalidFile(f"{path}: its last line is no decision ({error}); name another output") from None
        return Last(ending.source.offset, ending.model_version, ending.source.topic)


class ParquetParts:
    """Decisions in a directory of Parquet files, each of which takes its name when it is whole."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        directory.mkdir(parents=True, exist_ok=True)
        for unfinished in directory.glob("*.unfinished"):
            unfinished.unlink()
        parts = sorted(directory.glob("part-*.parquet"))
        self._number = len(parts)
        if parts and parts[-1].name != _PART.format(self._number - 1):
            raise InvalidFile(
                f"{directory}: {self._number} parts, and the last is {parts[-1].name}; one is missing"
            )
        self.last = _last_row(parts[-1]) if parts else None
        self._batches: list[Any] = []
        self._groups = 0
        self._writer: Any = None

    def append(self, payload: bytes) -> None:
        """Keep rows until there are enough for a group."""
        import pyarrow as pa  # noqa: PLC0415 - takes a third of a second, and most output is JSON lines

        with pa.ipc.open_stream(payload) as reader:
            self._batches.extend(reader)
        if len(self._batches) >= _CHUNKS_A_GROUP:
            self._write()
            if self._groups >= _GROUPS_A_PART:
                self._finish()

    def close(self) -> None:
        """Write what is left."""
        if self._batches:
            self._write()
        if self._writer is not None:
            self._finish()

    def _write(self) -> None:
        import pyarrow as pa  # noqa: PLC0415
        import pyarrow.parquet as pq  # noqa: PLC0415

        if self._writer is None:
            self._writer = pq.ParquetWriter(self._unfinished, schema(), compression="zstd")
        self._writer.write_table(pa.Table.from_batches(self._batches, schema()))
        self._batches.clear()
        self._groups += 1

    def _finish(self) -> None:
        self._writer.close()
        self._unfinished.rename(self._directory / _PART.format(self._number))
        self._writer = None
        self._number += 1
        self._groups = 0

    @property
    def _unfinished(self) -> Path:
        return self._directory / (_PART.format(self._number) + ".unfinished")


def _last_row(part: Path) -> Last:
    import pyarrow as pa  # noqa: PLC0415
    import pyarrow.parquet as pq  # noqa: PLC0415

    try:
        with pq.ParquetFile(part) as file:
            group = file.read_row_group(file.num_row_groups - 1, columns=["source", "model_version"])
        row = group.slice(group.num_rows - 1).to_pylist()[0]
        return Last(row["source"]["offset"], row["model_version"], row["source"]["topic"])
    except (pa.ArrowException, OSError, LookupError, TypeError) as error:
        raise InvalidFile(
            f"{part}: cannot be read as decisions ({error}); delete it, or name another output"
        ) from None
