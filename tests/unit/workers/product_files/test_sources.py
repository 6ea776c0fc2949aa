"""Products come from files, pipes and streams, gzipped or not."""

from __future__ import annotations

import gzip
import io
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from schemas.errors import InvalidProducts
from workers.product_files import ProductFile
from workers.product_files.file import Format

LINES = b'{"product_id": "1", "title": "Cup"}\n{"product_id": "2", "title": "Lamp"}\n'
TABLE = b"product_id,title\n1,Cup\n2,Lamp\n"


@contextmanager
def pipe(path: Path, content: bytes) -> Iterator[Path]:
    """Give a named pipe that someone writes to."""
    os.mkfifo(path)
    writer = threading.Thread(target=path.write_bytes, args=(content,))
    writer.start()
    yield path
    writer.join()


@pytest.mark.parametrize(("form", "content"), [("jsonl", LINES), ("csv", TABLE), ("csv", gzip.compress(TABLE))])
def test_a_pipe_is_read_as_a_file(tmp_path: Path, form: Format, content: bytes) -> None:
    with pipe(tmp_path / "pipe", content) as path:
        file = ProductFile(path, format=form)
        found = [(item.product.product_id, file.bytes_read) for item in file]
    assert found == [("1", 0), ("2", 0)]
    assert file.total_bytes == 0


def test_parquet_is_not_read_from_a_pipe_or_a_stream(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for source in (tmp_path / "pipe", io.BytesIO(b"PAR1")):
        with pytest.raises(InvalidProducts, match="Parquet cannot be read from a stream"):
            ProductFile(source, format="parquet")


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(InvalidProducts, match="there is no such file"):
        ProductFile(tmp_path, format="jsonl")


@pytest.mark.parametrize("content", [LINES, gzip.compress(LINES)])
def test_a_stream_is_read_gzipped_or_not_and_left_open(content: bytes) -> None:
    for stream in (io.BytesIO(content), io.BufferedReader(io.BytesIO(content))):
        assert [item.product.title for item in ProductFile(stream)] == ["Cup", "Lamp"]
        assert not stream.closed


def test_a_stream_is_read_no_further_than_it_has_come() -> None:
    reading, writing = os.pipe()
    with os.fdopen(reading, "rb") as stream, os.fdopen(writing, "wb", buffering=0) as writer:
        products = iter(ProductFile(stream))
        for line in LINES.splitlines(keepends=True):
            writer.write(line)
            assert next(products).line


def test_a_column_that_is_there_twice_is_refused_in_parquet_too(tmp_path: Path) -> None:
    path = tmp_path / "rows.parquet"
    names = ["product_id", "title", "title"]
    pq.write_table(pa.Table.from_arrays([pa.array(["1"])] * 3, names=names), path)
    with pytest.raises(InvalidProducts, match=r"rows\.parquet: has more than one column 'title'"):
        list(ProductFile(path))
