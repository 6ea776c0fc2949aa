"""Read the rows of Parquet files."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

from schemas.errors import InvalidProducts
from workers.product_files.text_rows import BadLine, Row

_ROWS_AT_ONCE: Final = 1_024


def parquet_rows(path: Path, check_header: Callable[[list[str]], list[str]]) -> Iterator[Row]:
    """Yield each row with its number from 1, as a dictionary of the columns that ``check_header`` returns.

    Raises :class:`InvalidProducts` if the file is not Parquet, and what ``check_header`` raises.
    """
    import pyarrow as pa  # noqa: PLC0415 - takes a third of a second, and most files are JSON lines
    import pyarrow.parquet as pq  # noqa: PLC0415

    try:
        with pq.ParquetFile(path) as file:
            wanted = check_header(file.schema_arrow.names)
            number = 0
            for batch in file.iter_batches(_ROWS_AT_ONCE, columns=wanted):
                for row in _values(batch):
                    number += 1
                    yield number, row if isinstance(row, dict) else BadLine(number, row)
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise InvalidProducts(f"{path}: cannot be read as Parquet ({error}); write the file again") from error


def _values(batch: Any) -> Iterator[dict[str, Any] | str]:
    """Yield the rows; for a row that Python cannot represent, such as the year 20,000, yield what is wrong."""
    try:
        yield from batch.to_pylist()
        return
    except (OverflowError, ValueError, KeyError):
        pass
    for number in range(batch.num_rows):
        try:
            yield from batch.slice(number, 1).to_pylist()
        except (OverflowError, ValueError, KeyError) as error:  # KeyError: an unknown time zone
            yield f"holds a value that cannot be read ({error})"
