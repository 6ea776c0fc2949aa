"""Rows of Parquet files."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from schemas.errors import InvalidProducts
from workers.product_files.columns import COLUMNS, ColumnMap
from workers.product_files.text_rows import Row

_ROWS_AT_ONCE: Final = 1_024


def parquet_rows(path: Path, columns: ColumnMap) -> Iterator[Row]:
    """Yield each row as a dictionary of the columns that are read, counted from 1.

    Raises :class:`InvalidProducts` where the file is no Parquet or lacks a column.
    """
    import pyarrow as pa  # noqa: PLC0415 - takes a third of a second, and most files are JSON lines
    import pyarrow.parquet as pq  # noqa: PLC0415

    try:
        with pq.ParquetFile(path) as file:
            names = file.schema_arrow.names
            columns.check_header(str(path), names)
            wanted = [columns.theirs(ours) for ours in COLUMNS if columns.theirs(ours) in names]
            number = 0
            for batch in file.iter_batches(_ROWS_AT_ONCE, columns=wanted):
                for row in batch.to_pylist():
                    number += 1
                    yield number, row
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise InvalidProducts(f"{path}: cannot be read as Parquet ({error}); write the file again") from error
