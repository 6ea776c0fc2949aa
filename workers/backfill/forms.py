"""The output formats of decisions: JSON lines, or rows of Parquet."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

import msgspec

from schemas.errors import InvalidFile
from schemas.events.codec import encode
from schemas.events.decision import Decision, outcome_of

if TYPE_CHECKING:
    import pyarrow as pa

Form = Literal["jsonl", "parquet"]
_SUFFIXES: Final[dict[str, Form]] = {".jsonl": "jsonl", ".ndjson": "jsonl", ".parquet": "parquet"}


def form_of(path: Path) -> Form:
    """Return the format that a file name stands for; raises :class:`InvalidFile` if the name does not say."""
    if (form := _SUFFIXES.get(path.suffix)) is None:
        raise InvalidFile(f"{path}: its name does not say what to write; name it {', '.join(_SUFFIXES)}")
    return form


def to_json_lines(decisions: Iterable[Decision]) -> bytes:
    """Return the decisions, one per line."""
    return b"".join(to_json(decision) + b"\n" for decision in decisions)


def to_json(decision: Decision) -> bytes:
    """Return a decision as the stream publishes it, with its ``outcome`` in front."""
    return b'{"outcome":"%b",%b' % (outcome_of(decision).encode(), encode(decision)[1:])


def to_record_batch(decisions: Iterable[Decision]) -> bytes:
    """Return the decisions as an Arrow IPC stream of one record batch with :func:`schema`."""
    import pyarrow as pa  # noqa: PLC0415 - takes a third of a second, and most output is JSON lines

    rows = [_row(decision) for decision in decisions]
    batch = pa.RecordBatch.from_pylist(rows, schema=schema())
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, batch.schema) as writer:
        writer.write_batch(batch)
    return bytes(sink.getvalue())


ENCODERS: Final[dict[Form, Callable[[Iterable[Decision]], bytes]]] = {
    "jsonl": to_json_lines,
    "parquet": to_record_batch,
}


def schema() -> pa.Schema:
    """Return the columns: the fields of a decision and ``outcome``; fields that an outcome lacks are null."""
    import pyarrow as pa  # noqa: PLC0415

    text, real = pa.string(), pa.float64()
    category = pa.struct([("id", text), ("path", pa.list_(text))])
    return pa.schema(
        [
            ("product_id", text),
            ("title", text),
            ("outcome", text),
            ("category", category),
            ("confidence", real),
            ("backed_off", pa.bool_()),
            ("also", pa.list_(category)),
            ("reason", text),
            ("alternatives", pa.list_(pa.struct([("category", category), ("probability", real)]))),
            (
                "evidence",
                pa.list_(
                    pa.struct([("signal", text), ("contribution", real), ("rank", pa.int32()), ("score", real)])
                ),
            ),
            ("brand", text),
            ("stores", pa.list_(text)),
            ("tags", pa.list_(text)),
            ("product_updated_at", pa.timestamp("us", tz="UTC")),
            ("source", pa.struct([("topic", text), ("partition", pa.int32()), ("offset", pa.int64())])),
            ("decision_id", text),
            ("model_version", text),
            ("taxonomy_version", text),
        ]
    )


def _row(decision: Decision) -> dict[str, Any]:
    row: dict[str, Any] = msgspec.to_builtins(decision, builtin_types=(datetime,))
    return row | {"outcome": outcome_of(decision)}
